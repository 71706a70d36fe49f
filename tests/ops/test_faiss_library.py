"""Searches on a GPU, on a machine without one: by a stand-in for FAISS that computes with torch, on
tensors that must not leave their device.
"""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from soil_pyg.ops import faiss_library, search_options
from soil_pyg.ops.faiss_index import default_index
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.nearest_items import NearestItems
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass

TO_HOST = {Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.to}


class OnGPU(Tensor):
    """A tensor that passes for one on a GPU."""

    is_cuda = True

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        assert func not in TO_HOST, func
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*args, **(kwargs or {}))
        return tree_map_only(Tensor, _stay, out)


def _stay(x: Tensor) -> Tensor:
    return x.as_subclass(OnGPU) if x.layout is torch.strided else x


class Index:
    """An index that finds whatever is close to the first vectors it is told to compare."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cp = SimpleNamespace()
        self.nprobe, self.nlist = 1, 16

    def train(self, x: Tensor) -> None:
        assert type(x) is OnGPU
        self.x = x

    def add(self, x: Tensor) -> None:
        assert x is self.x

    def getDevice(self) -> int:
        return 0

    def getResources(self) -> None:
        return None

    def search(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        return self.best(query, k, self.nprobe / self.nlist)

    def best(self, query: Tensor, k: int, share: float) -> tuple[Tensor, Tensor]:
        assert type(query) is OnGPU
        scores = query @ self.x.t()
        scores[:, round(share * self.x.size(0)) :] = -torch.inf
        values, ids = scores.topk(k)
        return values, ids.masked_fill(values == -torch.inf, -1)


class Cagra(Index):
    def __init__(self, resources: object, channels: int, metric: int, config: object) -> None:
        super().__init__("CAGRA")
        del self.nprobe, self.cp

    def search_ex(
        self, n: int, query: Tensor, kind: str, k: int, values: Tensor, ids: Tensor, given: Any
    ) -> None:
        assert kind == "float32"
        assert n == query.size(0) == values.size(0)
        values[:], ids[:] = self.best(query, k, given.itopk_size / 512)


class Library(ModuleType):
    METRIC_INNER_PRODUCT, Float32 = 0, "float32"
    IndexIVFFlat = None

    def __init__(self) -> None:
        super().__init__("faiss")
        self.__spec__ = ModuleSpec("faiss", None)
        self.calls: list[str] = []

    class StandardGpuResources:
        pass

    class SearchParametersCagra:
        itopk_size = 64

    class GpuParameterSpace:
        def set_index_parameters(self, index: Index, parameters: str) -> None:
            index.nprobe = int(parameters.removeprefix("nprobe="))

    def index_factory(self, channels: int, name: str, metric: int) -> Index:
        return Index(name)

    def index_cpu_to_gpu(self, resources: object, device: int, index: Index) -> Index:
        assert isinstance(resources, self.StandardGpuResources)
        self.calls.append(index.name)
        return index

    def downcast_index(self, index: Index) -> Index:
        return index

    def knn_gpu(
        self, resources: object, query: Tensor, x: Tensor, k: int, metric: int
    ) -> tuple[Tensor, Tensor]:
        assert type(query) is type(x) is OnGPU
        assert k <= 2048
        self.calls.append(f"knn_gpu {k}")
        values, ids = (query @ x.t()).topk(k)
        return values, ids


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    fake, contrib, utils = Library(), ModuleType("contrib"), ModuleType("torch_utils")
    fake.contrib, contrib.torch_utils = contrib, utils
    utils.swig_ptr_from_FloatTensor = utils.swig_ptr_from_IndicesTensor = lambda x: x
    utils.using_stream = lambda resources: pytest.MonkeyPatch.context()
    for name, module in {"": fake, ".contrib": contrib, ".contrib.torch_utils": utils}.items():
        monkeypatch.setitem(sys.modules, f"faiss{name}", module)
    faiss_library.gpu_resources.cache_clear()
    yield fake
    faiss_library.gpu_resources.cache_clear()


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def on_gpu(x: Tensor) -> OnGPU:
    return x.as_subclass(OnGPU)


def exact(emb: Tensor, query: Tensor, k: int) -> tuple[list, list]:
    score, ids = KNN(emb, use_faiss=False).search(query, k)
    return score.tolist(), ids.tolist()


def plain(x: Tensor) -> list:
    with torch._C.DisableTorchFunctionSubclass():
        return x.tolist()


def test_the_tensors_of_these_tests_stay_on_the_gpu() -> None:
    x = on_gpu(torch.ones(2))
    for leave in (x.cpu, x.numpy, x.tolist, lambda: x.to("cpu")):
        with pytest.raises(AssertionError):
            leave()


def test_exact_search(library: Library) -> None:
    emb, query = normal(300, 8).repeat(2, 1), normal(20, 8, seed=1)
    search = KNN(on_gpu(emb))
    assert search.report["engine"] == "faiss"
    found = search.search(on_gpu(query), 7)
    assert (plain(found.score), plain(found.index)) == exact(emb, query, 7)
    assert library.calls == ["knn_gpu 8"]


@pytest.mark.parametrize("index", ["Flat", "IVF16,Flat"])
def test_more_neighbours_than_faiss_finds_on_a_gpu(library: Library, index: str) -> None:
    emb, query = normal(2100, 4), normal(2, 4, seed=1)
    found = KNN(on_gpu(emb), index).search(on_gpu(query), 2060)
    assert (plain(found.score), plain(found.index)) == exact(emb, query, 2060)
    assert not any(call.startswith("knn_gpu") for call in library.calls)


@pytest.mark.parametrize("index", ["IVF16,Flat", "CAGRA"])
def test_approximate_search(library: Library, index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in {"Cagra": Cagra, "CagraConfig": SimpleNamespace}.items():
        monkeypatch.setattr(library, f"GpuIndex{name}", kind, raising=False)
    emb, query = normal(300, 8), normal(20, 8, seed=1)
    search = KNN(on_gpu(emb), index, recall=1.0)
    found = search.search(on_gpu(query), 7)
    assert (plain(found.score), plain(found.index)) == exact(emb, query, 7)
    name = "itopk_size=512" if index == "CAGRA" else "nprobe=16"
    assert (search.report["parameters"], search.report["recall"]) == (name, 1.0)


def test_default_index(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    emb = on_gpu(normal(300, 8))
    monkeypatch.setattr(search_options, "EXACT_ITEMS", 299)
    assert KNN(emb, "auto").report["index"] == default_index(normal(300, 8)) == "IVF16,Flat"
    monkeypatch.setattr(library, "GpuIndexCagra", Cagra, raising=False)
    monkeypatch.setattr(library, "GpuIndexCagraConfig", SimpleNamespace, raising=False)
    assert KNN(emb, "auto").report["index"] == "CAGRA"


def test_exact_graphs_of_neighbours_are_searched_by_faiss(library: Library) -> None:
    c = torch.nn.functional.normalize(normal(60, 8))
    has = torch.ones(60, dtype=torch.bool)
    pairs = []
    for features in (c, on_gpu(c)):
        nearest = NearestItems({"image": (features, has)}, k=4)
        SimilarityPass({"image": (features, has)}, SearchOptions()).run(nearest)
        pairs.append([plain(part) for part in nearest.pairs("image")])
        engine = nearest.report["image"]["engine"]
        assert engine == ("faiss" if features is not c else "torch")
    assert pairs[0] == pairs[1]
    assert library.calls == ["knn_gpu 5"]


def test_without_a_faiss_for_gpus_torch_searches_on_the_gpu(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Library, "StandardGpuResources")
    emb, query = normal(300, 8), normal(20, 8, seed=1)
    search = KNN(on_gpu(emb))
    assert search.report["engine"] == "torch"
    found = search.search(on_gpu(query), 7)
    assert (plain(found.score), plain(found.index)) == exact(emb, query, 7)
    assert library.calls == []
