"""Indexes for the graph of the nearest neighbours of all items.

Each function builds an index of unit vectors and returns its search: the ids of the nearest vectors
by inner product, given the rows that are the queries and the depth of the search.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from soil_pyg.ops.faiss_index import ITERATIONS, TRAINING_POINTS, FaissIndex, search_index
from soil_pyg.ops.faiss_library import import_faiss

K = 10
Rows = np.ndarray | slice
Search = Callable[[Rows, int], np.ndarray]


def trained_file(x: np.ndarray, lists: int, codes: str = "Flat") -> Any:
    """Returns an empty inverted file whose centres are trained on a few points per list."""
    faiss = import_faiss()
    index = faiss.index_factory(x.shape[1], f"IVF{lists},{codes}", faiss.METRIC_INNER_PRODUCT)
    inverted = faiss.extract_index_ivf(index)
    inverted.cp.max_points_per_centroid = TRAINING_POINTS
    inverted.cp.niter = ITERATIONS
    inverted.cp.spherical = True
    inverted.by_residual = False
    index.train(x)
    return index


def inverted_file(x: np.ndarray, lists: int, codes: str = "Flat") -> Any:
    """Returns an inverted file that FAISS fills."""
    index = trained_file(x, lists, codes)
    index.add(x)
    return index


def plain(x: np.ndarray, lists: int) -> Search:
    """Searches the lists query by query."""
    return by_probes(x, inverted_file(x, lists))


def by_probes(x: np.ndarray, index: Any) -> Search:
    """Returns the search of an index with lists."""
    inverted = import_faiss().extract_index_ivf(index)

    def search(rows: Rows, depth: int) -> np.ndarray:
        inverted.nprobe = depth
        return np.asarray(index.search(x[rows], K)[1])

    return search


def list_by_list(x: np.ndarray, lists: int) -> Search:
    """Searches as soil_pyg does: each list for all queries that probe it."""
    vectors = torch.from_numpy(x)
    name = f"IVF{lists},Flat"
    index = FaissIndex(vectors, name).index

    def search(rows: Rows, depth: int) -> np.ndarray:
        index.nprobe = depth
        return search_index(index, name, vectors[rows], K)[1].numpy()

    return search


def fast_scan(x: np.ndarray, lists: int, k_factor: int) -> Search:
    """Searches lists of four-bit codes in registers, and compares the best exactly."""
    index = inverted_file(x, lists, f"PQ{x.shape[1] // 2}x4fs,RFlat")
    index.k_factor = k_factor
    return by_probes(x, index)


def hnsw(x: np.ndarray, links: int) -> Search:
    """Searches a hierarchical graph."""
    faiss = import_faiss()
    index = faiss.IndexHNSWFlat(x.shape[1], links, faiss.METRIC_INNER_PRODUCT)
    index.add(x)

    def search(rows: Rows, depth: int) -> np.ndarray:
        index.hnsw.efSearch = depth
        return np.asarray(index.search(x[rows], K)[1])

    return search


def hnswlib_graph(x: np.ndarray, links: int) -> Search:
    """Searches the hierarchical graph of hnswlib."""
    import hnswlib

    threads = torch.get_num_threads()
    index = hnswlib.Index(space="ip", dim=x.shape[1])
    index.init_index(max_elements=len(x), ef_construction=40, M=links, random_seed=0)
    index.add_items(x, num_threads=threads)

    def search(rows: Rows, depth: int) -> np.ndarray:
        index.set_ef(depth)
        ids = index.knn_query(x[rows], k=K, num_threads=threads)[0]
        return np.asarray(ids.astype(np.int64))

    return search


def nsg(x: np.ndarray, links: int) -> Search:
    """Searches a navigating graph, which is pruned from one of NN-descent."""
    faiss = import_faiss()
    index = faiss.IndexNSGFlat(x.shape[1], links, faiss.METRIC_L2)
    index.build_type = 1
    index.GK = 2 * links
    index.add(x)

    def search(rows: Rows, depth: int) -> np.ndarray:
        index.nsg.search_L = depth
        return np.asarray(index.search(x[rows], K)[1])

    return search


def nn_descent(x: np.ndarray, links: int) -> Search:
    """Reads the neighbours from the graph of NN-descent, without a search."""
    faiss = import_faiss()
    index = faiss.IndexNNDescentFlat(x.shape[1], links, faiss.METRIC_L2)
    index.add(x)
    graph = faiss.vector_to_array(index.nndescent.final_graph).reshape(len(x), links)

    def search(rows: Rows, depth: int) -> np.ndarray:
        own = np.arange(len(x))[rows, None]
        return np.hstack([own, graph[rows, : K - 1]])

    return search


@dataclass(frozen=True)
class Contestant:
    """An index with the depths of its search.

    Args:
        build (callable): Builds the index, given the vectors and its settings.
        depths (tuple[int, ...]): The depths that are tried, in order.
    """

    build: Callable[..., Search]
    depths: tuple[int, ...]


PROBES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
CONTESTANTS = {
    "FAISS IVF,Flat": Contestant(plain, PROBES),
    "FAISS IVF,Flat list by list": Contestant(list_by_list, PROBES),
    "FAISS IVF,PQ4fs,RFlat": Contestant(fast_scan, PROBES),
    "FAISS HNSW": Contestant(hnsw, PROBES[7:]),
    "FAISS NSG": Contestant(nsg, PROBES[7:]),
    "FAISS NN-descent": Contestant(nn_descent, (0,)),
    "hnswlib": Contestant(hnswlib_graph, PROBES[7:]),
}
