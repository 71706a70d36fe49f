from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from soil_bench.speed.contest import Contestant
from soil_bench.speed.propagation import CONTESTANTS, QUICK_CASES, draw
from soil_bench.speed.propagation_cases import Graph

BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}


def segment_csr(src: Tensor, indptr: Tensor, reduce: str) -> Tensor:
    assert reduce == "sum"
    ranges = zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True)
    return torch.stack([src[begin:end].sum(dim=0) for begin, end in ranges])


class SparseTensor:
    def __init__(self, row: Tensor, col: Tensor, value: Tensor, sparse_sizes: Any) -> None:
        self.dense = torch.zeros(sparse_sizes)
        self.dense[row, col] = value
        self.has_caches = False

    def fill_cache_(self) -> None:
        self.has_caches = True


def matmul(matrix: SparseTensor, x: Tensor, reduce: str) -> Tensor:
    assert matrix.has_caches
    assert reduce == "sum"
    return matrix.dense @ x


class Graphs:
    """What the contestant uses of DGL, on dense matrices."""

    def __init__(self, edges: Any, num_nodes_dict: dict[str, int]) -> None:
        ((source, _, target), (self.source, self.target)) = next(iter(edges.items()))
        self.size = (num_nodes_dict[source], num_nodes_dict[target])
        self.has_formats = False

    def create_formats_(self) -> None:
        self.has_formats = True


def u_mul_e_sum(graph: Graphs, x: Tensor, weight: Tensor) -> Tensor:
    assert graph.has_formats
    assert x.size(0) == graph.size[0]
    message = x[graph.source.long()] * weight
    return torch.zeros(graph.size[1], x.size(1)).index_add(0, graph.target.long(), message)


STAND_INS: dict[str, Any] = {
    "torch-scatter": SimpleNamespace(segment_csr=segment_csr),
    "torch-sparse": SimpleNamespace(SparseTensor=SparseTensor, matmul=matmul),
    "DGL": SimpleNamespace(heterograph=Graphs, ops=SimpleNamespace(u_mul_e_sum=u_mul_e_sum)),
}


def recalls(contestant: Contestant, library: Any, graph: Graph) -> dict[str, float]:
    case = draw(graph, seed=1)
    tasks = contestant.make(library, case)
    return {name: case.recall(name, task()) for name, task in tasks.items()}


@pytest.mark.parametrize("graph", QUICK_CASES, ids=lambda graph: graph.name)
@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
def test_every_library_gives_the_same_answer(contestant: Contestant, graph: Graph) -> None:
    if contestant.environment is not None:
        pytest.skip("its environment is not that of the tests")
    library = import_module(contestant.package)
    assert recalls(contestant, library, graph) == {"forward": 1.0, "forward+backward": 1.0}


@pytest.mark.parametrize("graph", QUICK_CASES, ids=lambda graph: graph.name)
@pytest.mark.parametrize("name", STAND_INS)
def test_libraries_that_are_rarely_installed(name: str, graph: Graph) -> None:
    found = recalls(BY_NAME[name], STAND_INS[name], graph)
    assert found == {"forward": 1.0, "forward+backward": 1.0}


def test_names() -> None:
    assert list(BY_NAME) == [
        "soil_pyg",
        "PyG gather-scatter",
        "PyG EdgeIndex",
        "torch COO",
        "torch CSR",
        "scipy",
        "PyG with torch-scatter",
        "torch-scatter",
        "torch-sparse",
        "DGL",
    ]
