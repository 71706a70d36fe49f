from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from soil_pyg.ops import attractiveness_rows
from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass
from soil_pyg.ops.topk import ROUNDING

NUM_ITEMS = 14


def products(similarities: dict[str, np.ndarray]) -> np.ndarray:
    """The product over the modalities that both items have, minus infinity without one."""
    stacked = np.stack(list(similarities.values()))
    value = np.where(np.isnan(stacked), 1.0, stacked).prod(axis=0)
    return np.where(np.isnan(stacked).all(axis=0), -np.inf, value).round(9)


def best(row: np.ndarray) -> list[int]:
    order = sorted(range(len(row)), key=lambda j: (-row[j], j))
    return [j for j in order if row[j] > -np.inf]


def entries(rows: AttractivenessRows, item: int) -> tuple[list[int], Tensor]:
    at = slice(int(rows.begin[item]), int(rows.begin[item] + rows.length[item]))
    return rows.columns[at].tolist(), rows.values[at]


def assert_row(rows: AttractivenessRows, item: int, expected: np.ndarray, length: int) -> None:
    columns, values = entries(rows, item)
    assert sorted(columns) == sorted(best(expected[item])[:length])
    np.testing.assert_allclose(values, expected[item, columns], atol=1e-6)
    assert (values.diff() <= 1e-6).all()


def gather(features: dict, index: str = "auto", memory_budget: int = 2**30) -> AttractivenessRows:
    rows = AttractivenessRows(features, memory_budget)
    SimilarityPass(features, SearchOptions(index, memory_budget=memory_budget)).run(rows)
    rows.finish()
    return rows


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
def test_exact_entries(make_features: Callable, cosines: Callable, num_modalities: int) -> None:
    features = make_features(num_modalities)
    row = torch.arange(NUM_ITEMS).repeat_interleave(NUM_ITEMS)
    column = torch.arange(NUM_ITEMS).repeat(NUM_ITEMS)
    out = AttractivenessRows(features).exact(row, column).view(NUM_ITEMS, NUM_ITEMS)
    expected = products(cosines(features))
    np.testing.assert_allclose(out, expected, atol=1e-7)
    assert out.diag()[[0, 3, 12]].tolist() == out[3, [3, 7, 8]].tolist() == [1.0] * 3
    assert np.isneginf(expected).sum() == {1: 52, 2: 31, 3: 31}[num_modalities]
    assert out[9].tolist() == [-torch.inf] * NUM_ITEMS
    assert out.equal(out.t())


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("memory_budget", [1, 3000, 2**30])
@pytest.mark.parametrize("first", [1, 3, 16])
def test_first_entries_of_each_row(
    make_features: Callable,
    cosines: Callable,
    monkeypatch: pytest.MonkeyPatch,
    num_modalities: int,
    memory_budget: int,
    first: int,
) -> None:
    monkeypatch.setattr(attractiveness_rows, "FIRST", first)
    features = make_features(num_modalities)
    rows, expected = gather(features, memory_budget=memory_budget), products(cosines(features))
    for item in range(NUM_ITEMS):
        assert_row(rows, item, expected, first)
        assert bool(rows.is_whole[item]) == (len(best(expected[item])) < first)
    assert rows.length[9] == 0
    assert [report["index"] for report in rows.report.values()] == ["Flat"] * len(features)


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
def test_rounding_in_each_modality_does_not_decide(
    monkeypatch: pytest.MonkeyPatch, num_modalities: int
) -> None:
    monkeypatch.setattr(attractiveness_rows, "FIRST", 2)
    angle = torch.tensor([0.0, 0.5, 0.500002, 1.0], dtype=torch.double)
    c = torch.stack([angle.cos(), angle.sin()], dim=1).float()
    has = torch.ones(4, dtype=torch.bool)
    features = {f"modality {number}": (c, has) for number in range(num_modalities)}
    # The worst rounding that is expected: it puts item 2 above item 1, which is more similar.
    similarity = c @ c.t()
    similarity[0, 1] -= 0.45 * ROUNDING
    similarity[0, 2] += 0.45 * ROUNDING
    rows = AttractivenessRows(features)
    rows.add_block(slice(0, 4), dict.fromkeys(features, similarity))
    rows.finish()
    assert sorted(entries(rows, 0)[0]) == [0, 1]


def test_ties_go_to_the_smaller_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attractiveness_rows, "FIRST", 2)
    c = torch.tensor([[0.6, 0.8], [0.0, 1.0], [0.6, 0.8], [0.6, 0.8]])
    rows = gather({"image": (c, torch.ones(4, dtype=torch.bool))})
    found = [sorted(entries(rows, item)[0]) for item in range(4)]
    assert found == [[0, 2], [0, 1], [0, 2], [0, 2]]


@pytest.mark.parametrize("memory_budget", [1, 24 * NUM_ITEMS * 2, 2**30])
def test_lengthen(
    make_features: Callable, cosines: Callable, monkeypatch: pytest.MonkeyPatch, memory_budget: int
) -> None:
    monkeypatch.setattr(attractiveness_rows, "FIRST", 2)
    features = make_features()
    rows, expected = gather(features, memory_budget=memory_budget), products(cosines(features))
    item, width = torch.tensor([4, 13, 0]), torch.tensor([9, 3, 5])
    rows.lengthen(item, width)
    for i, count in zip(item.tolist(), width.tolist(), strict=True):
        # Rows of a block are as long as the longest of them.
        assert len(best(expected[i])) >= rows.length[i] >= count
        assert_row(rows, i, expected, int(rows.length[i]))
        assert rows.is_whole[i]
    if memory_budget == 1:
        assert rows.length[item].tolist() == width.tolist()
    for i in set(range(NUM_ITEMS)) - {0, 4, 13}:
        assert_row(rows, i, expected, 2)


def test_lengthen_again(make_features: Callable, cosines: Callable) -> None:
    features = make_features()
    rows, expected = AttractivenessRows(features), products(cosines(features))
    assert rows.length.tolist() == [0] * NUM_ITEMS
    assert not rows.is_whole.any()
    assert entries(rows, 3)[0] == []
    rows.lengthen(torch.tensor([3, 2]), torch.tensor([1, 1]))
    assert rows.length.nonzero().view(-1).tolist() == [2, 3]
    rows.lengthen(torch.tensor([3, 9]), torch.tensor([50, 50]))
    assert_row(rows, 3, expected, NUM_ITEMS)
    assert_row(rows, 2, expected, 1)
    assert rows.length[9] == 0


def test_emptied_rows_are_lengthened_apart(make_features: Callable, cosines: Callable) -> None:
    features = make_features()
    rows, expected = gather(features), products(cosines(features))
    before = [entries(rows, item)[0] for item in range(NUM_ITEMS)]
    for _ in range(2):
        empty = rows.emptied()
        assert empty.length.tolist() == empty.begin.tolist() == [0] * NUM_ITEMS
        assert not empty.is_whole.any()
        assert (empty.columns.numel(), empty.values.numel()) == (0, 0)
        empty.lengthen(torch.tensor([3, 2]), torch.tensor([4, 4]))
        assert_row(empty, 3, expected, 4)
        assert empty.length.nonzero().view(-1).tolist() == [2, 3]
        # What the features alone decide is computed once.
        assert vars(empty)["_rank"] is vars(rows)["_rank"]
    assert [entries(rows, item)[0] for item in range(NUM_ITEMS)] == before


@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_an_approximate_search_that_finds_all_is_exact(
    make_features: Callable, cosines: Callable, memory_budget: int
) -> None:
    features = make_features(3)
    rows, expected = gather(features, "IVF2,Flat", memory_budget), products(cosines(features))
    for item in range(NUM_ITEMS):
        # All pairs with a modality, and no more entries to ask for.
        assert_row(rows, item, expected, NUM_ITEMS)
    assert rows.is_whole.all()
    assert rows.report["audio"]["recall"] == 1.0


@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_an_approximate_search_scores_the_candidates_of_all_modalities(
    make_features: Callable, cosines: Callable, memory_budget: int
) -> None:
    features = make_features()
    expected = products(cosines(features))
    rows = AttractivenessRows(features, memory_budget)
    neighbours: dict[int, set[int]] = {item: set() for item in range(NUM_ITEMS)}
    for step, (modality, (_, has)) in enumerate(features.items(), start=3):
        node = has.nonzero().view(-1)
        place = torch.arange(node.numel())
        found = torch.stack([place, (place * step) % node.numel(), torch.full_like(place, -1)], 1)
        rows.add_index(modality, None, node, found.int())
        for item, near in zip(node.tolist(), found[:, :2], strict=True):
            neighbours[item].update(node[near].tolist())
    rows.finish()
    assert neighbours[9] == set()
    for item, near in neighbours.items():
        columns, values = entries(rows, item)
        assert set(columns) == near
        np.testing.assert_allclose(values, expected[item, columns], atol=1e-6)
        assert (values.diff() <= 0).all()


def test_rows_are_lengthened_with_the_candidates_of_an_approximate_search(
    make_features: Callable, cosines: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attractiveness_rows, "FIRST", 3)
    features = make_features(1, is_missing=False)
    expected = products(cosines(features))
    rows = AttractivenessRows(features, num_neighbours=5)
    SimilarityPass(features, SearchOptions("IVF2,Flat")).run(rows)
    rows.finish()
    assert rows.length.tolist() == [3] * NUM_ITEMS
    assert not rows.is_whole.any()
    rows.lengthen(torch.tensor([7, 2]), torch.tensor([9, 9]))
    for item in range(NUM_ITEMS):
        length = {7: 5, 2: 5}.get(item, 3)
        assert rows.length[item] == length
        assert bool(rows.is_whole[item]) == (length > 3)
        _, values = entries(rows, item)
        chosen = best(expected[item])[:length]
        np.testing.assert_allclose(values, expected[item, chosen], atol=1e-6)
