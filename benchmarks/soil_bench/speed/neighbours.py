"""Nearest neighbours by the inner product of unit vectors, in every library.

The vectors lie near a subspace, like learned features. Approximate indexes report their recall.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_bench.speed import contest
from soil_bench.speed.contest import Contestant
from soil_bench.speed.products import Tasks
from soil_pyg.ops.knn import KNN

K = 10
RANK = 24
TOLERANCE = 5e-6
"""The maximum difference of two equal scores in single precision because of rounding."""
BLOCK_ENTRIES = 2**24
SEARCHED_CLUSTERS = 16
CPU = ("cpu",)


@dataclass(frozen=True)
class Vectors:
    """Random unit vectors.

    Args:
        name (str): The name in tables.
        num_candidates (int): The number of candidates.
        num_queries (int): The number of queries: the first ones of the candidates.
        channels (int): The number of channels.
    """

    name: str
    num_candidates: int
    num_queries: int
    channels: int


CASES = [
    Vectors("Baby, 7,050 items, 384 channels", 7_050, 7_050, 384),
    Vectors("50,000 items, 10,000 queries, 64 channels", 50_000, 10_000, 64),
]
QUICK_CASES = [Vectors("tiny, 300 items, 16 channels", 300, 100, 16)]


class Case(contest.Case):
    """Candidates and queries."""

    spec_class = Vectors

    @cached_property
    def bound(self) -> Tensor:
        """The score of the last neighbour of each query, in double precision."""
        candidates, query = self.tensors["candidates"].double(), self.tensors["query"].double()
        rows = max(1, BLOCK_ENTRIES // candidates.size(0))
        scores = [
            (block @ candidates.t()).topk(K).values[:, -1] for block in torch.split(query, rows)
        ]
        return torch.cat(scores)

    def recall(self, task: str, answer: Any) -> float:
        """Returns the share of exact neighbours, counting all ties up to rounding."""
        candidates, query = self.tensors["candidates"], self.tensors["query"]
        ids = torch.as_tensor(answer, device=query.device).long().sort(dim=1).values
        if ids.size() != (query.size(0), K):
            return 0.0
        known = (ids >= 0) & (ids < candidates.size(0))
        known[:, 1:] &= ids[:, 1:] != ids[:, :-1]
        scores = torch.empty(ids.size(), dtype=torch.double, device=query.device)
        for column, id in enumerate((ids * known).unbind(1)):
            scores[:, column] = (candidates[id].double() * query.double()).sum(dim=1)
        right = known & (scores >= self.bound.view(-1, 1) - TOLERANCE)
        return float(right.double().mean())


def tiny(_: dict[str, Any]) -> Vectors:
    """Returns the description of tiny vectors."""
    return QUICK_CASES[0]


def draw(vectors: Vectors, seed: int, device: str = "cpu") -> Case:
    """Draws a case of these sizes on the CPU, and moves it to the device."""
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(vectors.num_candidates, RANK, generator=generator)
    basis = torch.randn(RANK, vectors.channels, generator=generator)
    noise = torch.randn(vectors.num_candidates, vectors.channels, generator=generator)
    candidates = F.normalize(latent @ basis + noise).to(device)
    query = candidates[: vectors.num_queries].clone()
    return Case(vectors, {"candidates": candidates, "query": query})


def ours(use_faiss: bool) -> Callable[[Any, Case], Tasks]:
    """Returns the preparation of our exact search with or without FAISS."""

    def make(_: Any, case: Case) -> Tasks:
        knn, query = KNN(case.tensors["candidates"], use_faiss=use_faiss), case.tensors["query"]
        return {"search": lambda: knn.search(query, K)[1]}

    return make


def torch_blocks(_: Any, case: Case) -> Tasks:
    """Scores and sorts blocks of queries, without preparation."""
    candidates, query = case.tensors["candidates"], case.tensors["query"]
    rows = max(1, BLOCK_ENTRIES // candidates.size(0))

    def search() -> Tensor:
        return torch.cat([(x @ candidates.t()).topk(K).indices for x in torch.split(query, rows)])

    return {"search": search}


def faiss(index_of: Callable[[Any, int, int], Any]) -> Callable[[Any, Case], Tasks]:
    """Returns the preparation of a FAISS index, given a function that creates it empty."""

    def make(library: Any, case: Case) -> Tasks:
        library.omp_set_num_threads(torch.get_num_threads())
        candidates, query = case.tensors["candidates"], case.tensors["query"]
        array, wanted = candidates.cpu().numpy(), query.cpu().numpy()
        index = index_of(library, *candidates.size())
        if candidates.is_cuda:
            if not hasattr(library, "StandardGpuResources"):
                raise RuntimeError("this FAISS does not support GPUs")
            index = library.index_cpu_to_gpu(library.StandardGpuResources(), 0, index)
        index.train(array)
        index.add(array)
        return {"search": lambda: index.search(wanted, K)[1]}

    return make


def flat(library: Any, size: int, channels: int) -> Any:
    """Returns an exact index."""
    return library.IndexFlatIP(channels)


def ivf(library: Any, size: int, channels: int) -> Any:
    """Returns an inverted file."""
    # FAISS asks for 39 training vectors per cluster.
    clusters = max(1, min(4 * math.isqrt(size), size // 39))
    text = f"IVF{clusters},Flat"
    index = library.index_factory(channels, text, library.METRIC_INNER_PRODUCT)
    index.nprobe = min(clusters, SEARCHED_CLUSTERS)
    return index


def hnsw(library: Any, size: int, channels: int) -> Any:
    """Returns a graph index."""
    index = library.IndexHNSWFlat(channels, 32, library.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = 64
    return index


def scikit_learn(library: Any, case: Case) -> Tasks:
    """Prepares a search by distance, which has the same order for unit vectors."""
    index = library.NearestNeighbors(n_neighbors=K, algorithm="brute", metric="euclidean")
    index.fit(case.tensors["candidates"].numpy())
    query = case.tensors["query"].numpy()
    return {"search": lambda: index.kneighbors(query, return_distance=False)}


def hnswlib(library: Any, case: Case) -> Tasks:
    """Prepares a graph index."""
    candidates, query = case.tensors["candidates"].numpy(), case.tensors["query"].numpy()
    threads = torch.get_num_threads()
    index = library.Index(space="ip", dim=candidates.shape[1])
    index.init_index(max_elements=len(candidates), ef_construction=100, M=16, random_seed=0)
    index.add_items(candidates, num_threads=threads)
    index.set_ef(64)
    return {"search": lambda: index.knn_query(query, k=K, num_threads=threads)[0].astype("i8")}


CONTESTANTS = [
    Contestant("soil_pyg with FAISS", "faiss", ours(use_faiss=True)),
    Contestant("soil_pyg without FAISS", "soil_pyg", ours(use_faiss=False)),
    Contestant("FAISS flat", "faiss", faiss(flat)),
    Contestant("torch blocks", "torch", torch_blocks),
    Contestant("scikit-learn", "sklearn.neighbors", scikit_learn, devices=CPU),
    Contestant("FAISS IVF", "faiss", faiss(ivf), is_exact=False),
    Contestant("FAISS HNSW", "faiss", faiss(hnsw), is_exact=False, devices=CPU),
    Contestant("hnswlib", "hnswlib", hnswlib, is_exact=False, devices=CPU),
]
