from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from soil_pyg.ops import collector
from soil_pyg.ops.nearest_items import NearestItems
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass

Edges = list[tuple[int, int]]


def naive(similarity: np.ndarray, k: int) -> Edges:
    edges = []
    for i, row in enumerate(similarity):
        candidates = [j for j in range(len(row)) if not np.isnan(row[j])]
        edges += [(i, j) for j in sorted(sorted(candidates, key=lambda j: (-row[j], j))[:k])]
    return edges


def edges(nearest: NearestItems, modality: str) -> tuple[Tensor, Tensor]:
    rowptr, neighbour = nearest.pairs(modality)
    return torch.repeat_interleave(rowptr.diff()), neighbour


@pytest.mark.parametrize("k", [1, 2, 5, 14, 50])
@pytest.mark.parametrize("memory_budget", [1, 2000, 2**30])
def test_equals_the_definition(
    make_features: Callable, cosines: Callable, k: int, memory_budget: int
) -> None:
    features = make_features(3)
    nearest = NearestItems(features, k)
    SimilarityPass(features, SearchOptions(memory_budget=memory_budget)).run(nearest)
    for modality, similarity in cosines(features).items():
        item, neighbour = edges(nearest, modality)
        assert list(zip(item.tolist(), neighbour.tolist(), strict=True)) == naive(similarity, k)
    assert [report["index"] for report in nearest.report.values()] == ["Flat"] * 3


@pytest.mark.parametrize("k", [1, 4, 12])
def test_an_index_that_finds_all_is_exact(
    make_features: Callable, cosines: Callable, k: int
) -> None:
    features = make_features()
    nearest = NearestItems(features, k)
    SimilarityPass(features, SearchOptions(index="IVF2,Flat")).run(nearest)
    for modality, similarity in cosines(features).items():
        item, neighbour = edges(nearest, modality)
        key = (14 * item + neighbour).tolist()
        assert key == sorted(set(key))
        expected = np.array(naive(similarity, k))
        assert item.tolist() == expected[:, 0].tolist()
        # Which of the equal neighbours are found may differ, not how near they are.
        for i in range(14):
            mine = similarity[i, neighbour[item == i].tolist()]
            other = similarity[i, expected[expected[:, 0] == i, 1]]
            np.testing.assert_allclose(np.sort(mine), np.sort(other), atol=1e-6)
    assert nearest.report["text"]["recall"] == 1.0


def test_more_neighbours_than_wanted_are_cut() -> None:
    c = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [3.0, 1.0], [1.0, 1.0]]))
    nearest = NearestItems({"image": (c, torch.ones(3, dtype=torch.bool))}, k=2)
    neighbour = torch.tensor([[0, 1, 2], [1, 0, 2], [2, -1, -1]], dtype=torch.int32)
    nearest.add_index("image", None, torch.arange(3), neighbour)
    rowptr, column = nearest.pairs("image")
    assert rowptr.tolist() == [0, 2, 4, 5]
    assert column.tolist() == [0, 1, 0, 1, 2]


def test_a_modality_that_no_item_has() -> None:
    features = {"image": (torch.zeros(5, 3), torch.zeros(5, dtype=torch.bool))}
    for index in ("Flat", "IVF2,Flat"):
        nearest = NearestItems(features, k=2)
        SimilarityPass(features, SearchOptions(index)).run(nearest)
        assert [part.tolist() for part in nearest.pairs("image")] == [[0] * 6, []]


@pytest.mark.parametrize("max_rows", [3, 512])
def test_blocks_that_are_computed_apart(
    make_features: Callable, cosines: Callable, monkeypatch: pytest.MonkeyPatch, max_rows: int
) -> None:
    monkeypatch.setattr(collector, "MAX_ROWS", max_rows)
    features = make_features()
    nearest = NearestItems(features, 2)
    parts = nearest.parts()
    assert [item for part in parts for item in range(14)[part]] == list(range(14))
    assert max(part.stop - part.start for part in parts) <= max_rows
    for part in reversed(parts):
        nearest.keep(part, nearest.compute(part))
    for modality, similarity in cosines(features).items():
        pairs = zip(*(x.tolist() for x in edges(nearest, modality)), strict=True)
        assert list(pairs) == naive(similarity, 2)
