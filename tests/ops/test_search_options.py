import inspect
import warnings
from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import pytest
from torch_geometric.data import HeteroData
from typing_extensions import Unpack

from api_cases import wrong_arguments
from soil_pyg.models import DAMRS, FREEDOM, GUME, LATTICE, MGCN, PGL, SOIL
from soil_pyg.nn import KNN, LearnedGraph
from soil_pyg.ops.search_options import (
    EXACT_ITEMS,
    SearchKwargs,
    SearchOptions,
    takes_search_options,
)
from soil_pyg.transforms import ConsistentGraph, InterestGraph, SecondOrderGraph, SimilarityGraph

DEFAULTS = {
    "index": "auto",
    "recall": 0.95,
    "strict": False,
    "memory_budget": 2**30,
    "matmul_precision": "highest",
}


def test_what_is_exact() -> None:
    assert [SearchOptions().is_exact(n) for n in (0, EXACT_ITEMS, EXACT_ITEMS + 1)] == [1, 1, 0]
    assert [SearchOptions(index).is_exact(9) for index in ("Flat", "HNSW8", "IVF2,Flat")] == [
        1,
        0,
        0,
    ]
    assert SearchOptions("Flat").is_exact(10**9)


def test_a_recall_that_is_too_low() -> None:
    options = SearchOptions(recall=0.9)
    match = r"'recall' is 0\.9, but 0\.899 of the items .*look longer"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options.check_recall(0.9, "items", "look longer")
    with pytest.warns(UserWarning, match=match):
        options.check_recall(0.899, "items", "look longer")
    with pytest.raises(ValueError, match=match):
        replace(options, strict=True).check_recall(0.899, "items", "look longer")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recall", 0.0),
        ("recall", 1.01),
        ("recall", float("nan")),
        ("strict", 1),
        ("memory_budget", 0),
        ("matmul_precision", "low"),
    ],
)
def test_options_out_of_range(name: str, value: Any) -> None:
    for make in (SearchOptions, SimilarityGraph, SOIL.graph_transform, LearnedGraph):
        with pytest.raises(ValueError, match=f"'{name}'.*got '?{value}'?"):
            make(**{name: value})


@pytest.mark.parametrize(
    "make",
    [
        SimilarityGraph,
        ConsistentGraph,
        SecondOrderGraph,
        InterestGraph,
        LearnedGraph,
        LATTICE,
        *(model.graph_transform for model in (SOIL, MGCN, LATTICE, FREEDOM, GUME, PGL, DAMRS)),
    ],
)
def test_signatures_name_each_option(make: Any) -> None:
    if inspect.ismethod(make):
        make = inspect.signature(make).return_annotation
    parameters = inspect.signature(make).parameters
    assert {name: parameters[name].default for name in DEFAULTS} == DEFAULTS
    assert asdict(SearchOptions()) == DEFAULTS


def test_an_index_that_faiss_does_not_know_is_refused_at_once() -> None:
    for index in ("Nothing", "IVF16", "Flatx", "Nothing;nprobe=3"):
        with pytest.raises(ValueError, match=rf"'index'.*\(got '{index}'"):
            SearchOptions(index)
    # The channels and the number of candidates are those of the data.
    for index in ("IVF1000000000000,Flat", "OPQ64_128,IVF64,PQ64x4fs,RFlat", "CAGRA"):
        assert SearchOptions(index).index == index


def test_recall_sets_the_depth_of_a_search(clustered_data: HeteroData) -> None:
    pytest.importorskip("faiss")
    depths = []
    for recall in (0.01, 1.0):
        data = SimilarityGraph(k=5, index="IVF32,Flat", recall=recall)(clustered_data)
        search = data["item", "image_similar", "item"].search
        depths.append(int(search["parameters"].removeprefix("nprobe=")))
    assert depths[0] == 1 < depths[1]


def test_knn_is_exact_by_default() -> None:
    parameters = inspect.signature(KNN).parameters
    found = {name: parameters[name].default for name in DEFAULTS}
    assert found == DEFAULTS | {"index": "Flat"}


def test_unknown_options_are_refused() -> None:
    @takes_search_options
    def search(k: int = 1, **options: Unpack[SearchKwargs]) -> SearchOptions:
        return SearchOptions(**options)

    assert list(inspect.signature(search).parameters) == ["k", *DEFAULTS]
    assert search(2, recall=0.5).recall == 0.5
    with pytest.raises(TypeError, match="depth"):
        search(depth=3)  # type: ignore[call-arg]


def test_equal_options_are_one_key() -> None:
    options = SearchOptions(recall=0.5)
    assert {options: 1}[SearchOptions(recall=0.5)] == 1
    with pytest.raises(FrozenInstanceError):
        options.recall = 0.9  # type: ignore[misc]


test_wrong_arguments = wrong_arguments("SearchOptions")
