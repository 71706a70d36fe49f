from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from api_cases import wrong_arguments
from soil_pyg.ops import topk as module
from soil_pyg.ops.topk import (
    GROUP_SIZE,
    _topk_grouped,
    best_of_candidates,
    best_of_each_row,
    isin_rowwise,
    topk_by_id,
    topk_rescored,
)

VALUES = st.sampled_from([float("-inf"), -1.0, 0.0, 0.5, 2.0])
MATRICES = st.integers(1, 12).flatmap(
    lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=5)
)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def naive(scores: Tensor, k: int) -> list[list[int]]:
    return [
        sorted(range(len(row)), key=lambda column: (-row[column], column))[:k]
        for row in scores.tolist()
    ]


@given(MATRICES, st.integers(1, 14))
def test_against_sorting(rows: list[list[float]], k: int) -> None:
    scores = torch.tensor(rows)
    values, columns = topk_by_id(scores, k)
    assert columns.tolist() == naive(scores, k)
    assert torch.equal(values, scores.gather(1, columns))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
@pytest.mark.parametrize("k", [1, 10, 50])
def test_many_ties_in_wide_rows(threads: None, dtype: torch.dtype, k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 40, (20, 5000), generator=generator).to(dtype)
    values, columns = topk_by_id(scores, k)
    assert columns.tolist() == naive(scores, k)
    assert values.dtype == dtype


def test_continuous_values(threads: None) -> None:
    scores = torch.randn(20, 5000, generator=torch.Generator().manual_seed(0))
    values, columns = topk_by_id(scores, 50)
    assert columns.tolist() == naive(scores, 50)
    assert torch.equal(values, scores.topk(50).values)


@pytest.mark.parametrize("value", [0.0, float("-inf")])
def test_identical_columns_come_in_order(value: float) -> None:
    values, columns = topk_by_id(torch.full((3, 1000), value), k=7)
    assert columns.tolist() == [list(range(7))] * 3
    assert values.tolist() == [[value] * 7] * 3


def test_nan_comes_first() -> None:
    values, columns = topk_by_id(torch.tensor([[1.0, 3.0, float("nan"), 2.0]]), k=2)
    assert columns.tolist() == [[2, 1]]
    assert values.isnan().tolist() == [[True, False]]


def test_k_is_cut_and_scores_are_left_alone() -> None:
    scores = torch.tensor([[1.0, 2.0], [2.0, 2.0]])
    values, columns = topk_by_id(scores, k=5)
    assert values.tolist() == [[2.0, 1.0], [2.0, 2.0]]
    assert columns.tolist() == [[1, 0], [0, 1]]
    assert scores.tolist() == [[1.0, 2.0], [2.0, 2.0]]


def test_no_rows() -> None:
    assert topk_by_id(torch.empty(0, 5), k=2)[1].size() == (0, 2)


def test_wrong_k() -> None:
    with pytest.raises(ValueError, match=r"'k'.*\(got 0\)"):
        topk_by_id(torch.zeros(1, 3), k=0)


def test_topk_rescored_has_no_candidates_where_scores_are_infinite() -> None:
    scores = torch.tensor([[2.0, -torch.inf, 2.0, 1.0], [-torch.inf] * 4, [0.0, 3.0, 1.0, 2.0]])

    def rescore(row: Tensor, column: Tensor) -> Tensor:
        assert scores[row, column].isfinite().all()
        return scores[row, column]

    for ordered in (True, False):
        values, columns = topk_rescored(scores, 4, torch.full((3,), 1e-6), rescore, ordered)
        assert columns.sort(dim=1, descending=True).values.tolist()[1:] == [[-1] * 4, [3, 2, 1, 0]]
        assert set(columns[0].tolist()) == {0, 2, 3, -1}
        assert values.tolist()[0] == [2.0, 2.0, 1.0, -torch.inf]
        assert values.tolist()[1:] == [[-torch.inf] * 4, [3.0, 2.0, 1.0, 0.0]]


def test_topk_rescored_scores_again_what_rounding_may_swap() -> None:
    rounded = torch.tensor([[1.0, 1.0 - 4e-7, 1.0 - 2e-7, 0.5], [1.0, 0.9, 0.8, 0.7]])
    exact = torch.tensor([[0.75, 0.75, 0.75, 0.5], [0.0, 0.0, 0.0, 0.0]])
    asked = []

    def rescore(row: Tensor, column: Tensor) -> Tensor:
        asked.extend(zip(row.tolist(), column.tolist(), strict=True))
        return exact[row, column]

    for ordered in (True, False):
        asked.clear()
        values, columns = topk_rescored(rounded, 2, torch.full((2,), 1e-6), rescore, ordered)
        assert columns.tolist() == [[0, 1], [0, 1]]
        assert values.tolist() == [[0.75, 0.75], [1.0, pytest.approx(0.9)]]
        assert asked == [(0, 0), (0, 1), (0, 2)]


def test_topk_rescored_scores_only_what_may_be_the_last_again() -> None:
    rounded = torch.tensor([[0.9, 0.5, 0.5 + 1e-7, 0.8, 0.5 - 1e-7, 0.1]])
    exact = torch.tensor([[0.0, 0.25, 0.25, 0.0, 0.25, 0.0]])
    asked = []

    def rescore(row: Tensor, column: Tensor) -> Tensor:
        asked.extend(column.tolist())
        return exact[row, column]

    values, columns = topk_rescored(rounded, 4, torch.full((1,), 1e-6), rescore, ordered=False)
    assert asked == [1, 2, 4]
    assert columns.tolist() == [[0, 3, 1, 2]]
    torch.testing.assert_close(values, torch.tensor([[0.9, 0.8, 0.25, 0.25]]))


def test_best_of_each_row() -> None:
    row = torch.tensor([2, 0, 2, 2, 0])
    column = torch.tensor([1, 4, 3, 5, 7])
    value = torch.tensor([1.0, 2.0, 3.0, 3.0, 2.0])
    values, columns = best_of_each_row(row, column, value, num_rows=3, k=2)
    assert columns.tolist() == [[4, 7], [-1, -1], [3, 5]]
    assert values.tolist() == [[2.0, 2.0], [-torch.inf, -torch.inf], [3.0, 3.0]]


def test_isin_rowwise() -> None:
    expected = torch.tensor([[4, 0, 2], [7, 1, 3], [5, 6, 0]])
    found = torch.tensor([[2, 9, 4, 1], [-1, -1, -1, -1], [0, 5, 6, -1]])
    assert isin_rowwise(expected, found).tolist() == [
        [True, False, True],
        [False, False, False],
        [True, True, True],
    ]
    # Larger than all that was found, of one column and of another order in memory.
    assert isin_rowwise(expected, found[:, :1]).sum(dim=1).tolist() == [1, 0, 1]
    assert isin_rowwise(expected.t(), expected.t().flip([1])).all()


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("num_columns", [80, 81, 87, 400])
def test_topk_grouped_as_sorted(k: int, num_columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_COLUMNS", GROUP_SIZE)
    scores = torch.randn(50, num_columns, generator=torch.Generator().manual_seed(k))
    # The best beside each other, in one group, in what is left over, and fewer than k.
    scores[0, :k] += 10
    scores[1, :: num_columns // GROUP_SIZE] += 10
    scores[2, -k:] += 10
    scores[3, 1:] = -torch.inf
    values, columns = _topk_grouped(scores, k)
    expected, order = scores.sort(dim=1, descending=True)
    assert torch.equal(values, expected[:, :k])
    assert torch.equal(columns[:3], order[:3, :k])
    assert torch.equal(scores.gather(1, columns), values)
    assert all(row.unique().numel() == k for row in columns)


def test_topk_grouped_with_ties_returns_each_column_once() -> None:
    scores = torch.zeros(3, module.MIN_COLUMNS * 4)
    scores[0, 100:102] = 1.0
    values, columns = _topk_grouped(scores, 4)
    assert values.tolist() == [[1.0, 1.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4]
    assert all(row.unique().numel() == 4 for row in columns)
    assert set(columns[0, :2].tolist()) == {100, 101}


def test_topk_grouped_of_rows_that_are_not_contiguous() -> None:
    scores = torch.randn(module.MIN_COLUMNS * 2, 6, generator=torch.Generator().manual_seed(0)).t()
    values, columns = _topk_grouped(scores, 2)
    assert torch.equal(values, scores.topk(2).values)
    assert torch.equal(columns, scores.topk(2).indices)


def test_topk_grouped_leaves_short_rows_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.randn(2, module.MIN_COLUMNS * 3 - 1, generator=torch.Generator().manual_seed(0))
    expected = scores.topk(3)
    monkeypatch.setattr(torch, "arange", None)
    values, columns = _topk_grouped(scores, 3)
    assert torch.equal(values, expected.values)
    assert torch.equal(columns, expected.indices)


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=5, max_size=5), min_size=1, max_size=6),
    st.integers(1, 7),
)
def test_best_of_candidates(rows: list[list[int]], k: int) -> None:
    # 6 stands for no candidate; items 1 and 4, and 2 and 3, have equal values.
    value = torch.tensor([0.0, 2.0, 1.0, 1.0, 2.0, -1.0])
    counts = []

    def score(rowptr: Tensor, ids: Tensor) -> Tensor:
        counts.extend(rowptr.diff().tolist())
        return value[ids]

    candidates = torch.tensor(rows, dtype=torch.int32)
    values, ids = best_of_candidates(candidates, 6, k, score)
    assert counts == [len(set(row) - {6}) for row in rows]
    for number, row in enumerate(rows):
        expected = sorted(set(row) - {6}, key=lambda i: (-float(value[i]), i))[:k]
        padding = [-1] * (min(k, 5) - len(expected))
        assert ids[number].tolist() == expected + padding
        assert values[number, : len(expected)].equal(value[expected])
        assert values[number, len(expected) :].tolist() == [-torch.inf] * len(padding)


test_wrong_arguments = wrong_arguments("topk_by_id")
