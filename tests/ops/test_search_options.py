import inspect
from dataclasses import asdict
from typing import Any

import pytest
from typing_extensions import Unpack

from soil_pyg.models import FREEDOM, LATTICE, MGCN, SOIL
from soil_pyg.nn import KNN, LearnedGraph
from soil_pyg.ops.search_options import (
    EXACT_ITEMS,
    SearchKwargs,
    SearchOptions,
    auto_index,
    takes_search_options,
)
from soil_pyg.transforms import InterestGraph, SecondOrderGraph, SimilarityGraph

DEFAULTS = {
    "index": "auto",
    "recall": 0.95,
    "memory_budget": 2**30,
    "matmul_precision": "highest",
}


def test_auto_index() -> None:
    assert [auto_index(n) for n in (0, 7_050, EXACT_ITEMS)] == ["Flat"] * 3
    assert auto_index(EXACT_ITEMS + 1) == "Lists1024"
    assert auto_index(100_000) == "Lists1024"
    assert auto_index(1_000_000) == "Lists4096"
    assert auto_index(16_000_000) == "Lists16384"


def test_resolve() -> None:
    options = SearchOptions(recall=0.5)
    assert options.resolve(EXACT_ITEMS) == SearchOptions("Flat", 0.5)
    assert options.resolve(100_000) == SearchOptions("Lists1024", 0.5)
    assert SearchOptions("HNSW32").resolve(9) == SearchOptions("HNSW32")
    assert [SearchOptions(index).is_exact for index in ("Flat", "auto", "Lists2")] == [1, 0, 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recall", 0.0),
        ("recall", 1.01),
        ("recall", float("nan")),
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
        SecondOrderGraph,
        InterestGraph,
        LearnedGraph,
        LATTICE,
        *(model.graph_transform for model in (SOIL, MGCN, LATTICE, FREEDOM)),
    ],
)
def test_signatures_name_each_option(make: Any) -> None:
    if inspect.ismethod(make):
        make = inspect.signature(make).return_annotation
    parameters = inspect.signature(make).parameters
    assert {name: parameters[name].default for name in DEFAULTS} == DEFAULTS
    assert asdict(SearchOptions()) == DEFAULTS


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
