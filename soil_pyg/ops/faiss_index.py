import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from soil_pyg.ops.batch_search import add_to_lists, batch_search, is_batch, is_lists
from soil_pyg.ops.faiss_library import (
    GPU_MAX_K,
    faiss_errors,
    gpu_resources,
    import_faiss,
    search_cagra,
)
from soil_pyg.ops.index_error import index_error
from soil_pyg.utils.progress import blocks

TRAINING_POINTS = 64
"""The number of vectors per list on which the centres of lists are trained."""

ITERATIONS = 8
"""The number of iterations of k-means that train the centres of lists."""

MAX_NUMBER = 2**16
"""The largest number in the name of an index that may exceed the number of candidates."""

CAGRA = "CAGRA"
"""The name of the graph of the library cuVS, for which FAISS has no factory string."""

FIRST_DEPTH = {"nprobe": 1, "k_factor_rf": 8, "efSearch": 16, "itopk_size": 64}
"""The search parameters that rise until the recall is reached, and their first values."""

MAX_ITOPK = 512
"""The largest number of candidates that CAGRA holds per query."""

BLOCK_ENTRIES = 2**22
"""The largest number of candidates that are held at a time."""

OPQ_BITS = 8
"""The bits of a code while a rotation is trained, as in FAISS."""

MAX_QUERIES = 2**16
"""The largest number of queries per block. Blocks do not depend on the memory budget, so that
results do not either.
"""


def default_index(x: Tensor) -> str:
    """Returns the index for many candidates, the fastest in ``benchmarks/run.py indexes``.

    Example:
        >>> default_index(torch.empty(1_000_000, 64))
        'IVF1024,Flat'
    """
    if x.is_cuda and hasattr(import_faiss(), "GpuIndexCagra"):
        return CAGRA
    return f"IVF{2 ** round(math.log2(0.8 * math.sqrt(max(2, x.size(0)))))},Flat"


def fit_lists(name: str, num_vectors: int, num_distinct: int) -> str:
    """Returns the name of an index with no more lists than distinct vectors, unless it has more
    than there are vectors, which is an error.

    Example:
        >>> fit_lists("IVF8,Flat", num_vectors=9, num_distinct=5)
        'IVF5,Flat'
    """

    def fit(lists: re.Match[str]) -> str:
        number = int(lists[1])
        return f"IVF{min(number, num_distinct) if number <= num_vectors else number}"

    return re.sub(r"IVF(\d+)", fit, name)


class FaissIndex:
    r"""An index of FAISS for the largest inner products.

    Tensors are handed to FAISS as they are, on the CPU or on the GPU they are on.

    Args:
        x (Tensor): The vectors, of shape :obj:`[num_vectors, channels]`.
        name (str): The factory string. Search parameters may follow, as in
            :obj:`"IVF256,Flat;nprobe=16"`, and are kept; otherwise :meth:`deepen` sets them.
            On a GPU, :obj:`"CAGRA"` is a graph of the library cuVS.

    Raises:
        ImportError: If FAISS is not installed.
        ValueError: If FAISS has no such index, or cannot build it for the vectors.

    Example:
        >>> index = FaissIndex(torch.eye(4), "IVF2,Flat")
        >>> index.parameters
        'nprobe=1'
    """

    def __init__(self, x: Tensor, name: str) -> None:
        self.name, _, self.parameters = name.partition(";")
        self._is_fixed = self.parameters != ""
        limit = max(MAX_NUMBER, x.size(0))
        for number in re.findall(r"\d+", self.name):
            if int(number) > limit:
                raise index_error(name, f"the number {number} must be at most {limit}")
        with faiss_errors(name):
            self.index = self._make(x)
            # FAISS does not own them.
            self._quantizers = [_set_training(layer) for layer in self._layers()]
            self.index.train(x)
            # CAGRA holds what it was trained on.
            if is_lists(self.index):
                add_to_lists(self.index, x)
            elif self.name != CAGRA:
                self.index.add(x)
        self._most = {} if self._is_fixed else self._deepest(x)
        self._depth: dict[str, int] = {}
        self._set(self._first())

    def _make(self, x: Tensor) -> Any:
        faiss = import_faiss()
        metric, device = faiss.METRIC_INNER_PRODUCT, x.device.index or 0
        if x.is_cuda and self.name == CAGRA:
            config = faiss.GpuIndexCagraConfig()
            config.device = device
            return faiss.GpuIndexCagra(gpu_resources(), x.size(1), metric, config)
        index = faiss.index_factory(x.size(1), self.name, metric)
        return faiss.index_cpu_to_gpu(gpu_resources(), device, index) if x.is_cuda else index

    def _layers(self) -> Iterator[Any]:
        # The index and those within it: a refined or transformed index holds another one.
        index = self.index
        while index is not None:
            index = import_faiss().downcast_index(index)
            yield index
            index = getattr(index, "base_index", None) or getattr(index, "index", None)

    def _deepest(self, x: Tensor) -> dict[str, int]:
        most = {"itopk_size": MAX_ITOPK} if self.name == CAGRA else {}
        for layer in self._layers():
            if hasattr(layer, "nprobe"):
                most["nprobe"] = min(layer.nlist, GPU_MAX_K) if x.is_cuda else layer.nlist
            if hasattr(layer, "hnsw"):
                most["efSearch"] = max(x.size(0), FIRST_DEPTH["efSearch"])
            if hasattr(layer, "k_factor"):
                most["k_factor_rf"] = x.size(0)
        return most

    def _first(self) -> dict[str, int]:
        return {name: min(FIRST_DEPTH[name], most) for name, most in self._most.items()}

    def _set(self, depth: dict[str, int]) -> None:
        self._depth = depth
        if not self._is_fixed:
            self.parameters = ",".join(f"{name}={value}" for name, value in depth.items())
        if self.parameters and self.name != CAGRA:
            faiss = import_faiss()
            is_gpu = hasattr(self.index, "getDevice")
            space = faiss.GpuParameterSpace if is_gpu else faiss.ParameterSpace
            with faiss_errors(self.parameters):
                space().set_index_parameters(self.index, self.parameters)

    def search(self, query: Tensor, k: int) -> Tensor:
        """Returns the ids that are found, :obj:`-1` where these are fewer than :obj:`k`."""
        if self.name == CAGRA:
            size = max(self._depth.get("itopk_size", MAX_ITOPK), k)
            return search_cagra(self.index, query, k, size)
        held = k * self._depth.get("k_factor_rf", 1)
        return search_index(self.index, self.name, query, k, held)[1]

    def deepen(self, measure: Callable[[], float], recall: float, k: int) -> float:
        """Searches deeper until a measured recall is reached or the index has no deeper search, and
        returns the recall. Each step raises the search parameter that finds more.

        Args:
            measure (callable): Returns the recall at the current depth.
            recall (float): The recall to reach.
            k (int): The number of neighbours.
        """
        self._set(self._first())
        reached = measure()
        while reached < recall:
            steps = [
                self._depth | {name: min(_deeper(value), self._most[name])}
                for name, value in self._depth.items()
                if value < self._most[name] / (k if name == "k_factor_rf" else 1)
            ]
            if not steps:
                break
            found = []
            for depth in steps:
                self._set(depth)
                found.append(measure())
            reached = max(found)
            self._set(steps[found.index(reached)])
        return reached

    def __str__(self) -> str:
        return ";".join(filter(None, [self.name, self.parameters]))

    @property
    def remedy(self) -> str:
        """Names what finds more than the deepest search."""
        if self._is_fixed:
            return f"raise '{self.parameters}', or leave it out of 'index' to have it set"
        if "Flat" not in self.name and "HNSW" not in self.name:
            return f"use index='{self.name},RFlat', which compares what is found exactly"
        return "use index='Flat', which compares all items"


def search_index(
    index: Any, name: str, query: Tensor, k: int, num_held: int | None = None
) -> tuple[Tensor, Tensor]:
    r"""Returns the values and ids that an index of FAISS finds, :math:`-\infty` and :obj:`-1` where
    it finds fewer than :obj:`k`, by holding :obj:`num_held` candidates per query.
    """
    values = torch.empty(query.size(0), k, device=query.device)
    ids = torch.empty_like(values, dtype=torch.long)
    many = is_batch(index, query)
    held = max(num_held or k, index.nprobe if many else 1)
    rows = max(1, min(BLOCK_ENTRIES // held, MAX_QUERIES))
    with faiss_errors(name):
        for block in blocks(query.size(0), rows, "searching neighbours"):
            part = query[block]
            found = batch_search(index, part, k) if many else index.search(part, k)
            values[block], ids[block] = found
    return values.masked_fill_(ids < 0, -torch.inf), ids


def _deeper(value: int) -> int:
    # 1, 2, 3, 4, 6, 8, 12, 16, ...: the last step costs little more than is needed.
    return max(value + 1, value * 3 // 2 if value & (value - 1) == 0 else value * 4 // 3)


def _set_training(layer: Any) -> list[Any]:
    """Sets the parameters of the training of a layer. Returns objects that must live as long."""
    # Messages of FAISS about few points are not for users.
    quantizers = list(_rotation_quantizers(layer))
    for part in (layer, getattr(layer, "pq", layer), *quantizers):
        if hasattr(part, "cp"):
            part.cp.min_points_per_centroid = 1
    if hasattr(layer, "cp"):
        layer.cp.max_points_per_centroid = TRAINING_POINTS
        layer.cp.niter = ITERATIONS
        layer.cp.spherical = True
    return quantizers


def _rotation_quantizers(layer: Any) -> Iterator[Any]:
    """Yields the quantisers that the rotations of a layer are trained with."""
    faiss = import_faiss()
    for place in range(layer.chain.size() if hasattr(layer, "chain") else 0):
        transform = faiss.downcast_VectorTransform(layer.chain.at(place))
        if hasattr(transform, "pq"):
            transform.pq = faiss.ProductQuantizer(transform.d_out, transform.M, OPQ_BITS)
            yield transform.pq
