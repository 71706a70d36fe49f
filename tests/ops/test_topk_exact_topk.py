import pytest
import torch
from torch import Tensor

from soil_pyg.ops.topk import best_of_each_row, isin_rowwise, topk_rescored


def test_exact_topk_has_no_candidates_where_scores_are_infinite() -> None:
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


def test_exact_topk_scores_again_what_rounding_may_swap() -> None:
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


def test_exact_topk_scores_only_what_may_be_the_last_again() -> None:
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


def test_in_rows() -> None:
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
