"""The functions of the module of the search that other modules use."""

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import pairs
from soil_pyg.nn.exact_topk import best_of_each_row, exact_topk
from soil_pyg.nn.pairs import block_rows, exact_cosine, exact_inner_product, pair_inner_product


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def test_exact_topk_has_no_candidates_where_scores_are_infinite() -> None:
    scores = torch.tensor([[2.0, -torch.inf, 2.0, 1.0], [-torch.inf] * 4, [0.0, 3.0, 1.0, 2.0]])

    def rescore(row: Tensor, column: Tensor) -> Tensor:
        assert scores[row, column].isfinite().all()
        return scores[row, column]

    for ordered in (True, False):
        values, columns = exact_topk(scores, 4, torch.full((3,), 1e-6), rescore, ordered)
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
        values, columns = exact_topk(rounded, 2, torch.full((2,), 1e-6), rescore, ordered)
        assert columns.tolist() == [[0, 1], [0, 1]]
        assert values.tolist() == [[0.75, 0.75], [1.0, pytest.approx(0.9)]]
        assert asked == [(0, 0), (0, 1), (0, 2)]


def test_best_of_each_row() -> None:
    row = torch.tensor([2, 0, 2, 2, 0])
    column = torch.tensor([1, 4, 3, 5, 7])
    value = torch.tensor([1.0, 2.0, 3.0, 3.0, 2.0])
    values, columns = best_of_each_row(row, column, value, num_rows=3, k=2)
    assert columns.tolist() == [[4, 7], [-1, -1], [3, 5]]
    assert values.tolist() == [[2.0, 2.0], [-torch.inf, -torch.inf], [3.0, 3.0]]


def test_exact_scores_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "CACHE_BYTES", 32 * 5 * 7)
    left, right = normal(6, 5), normal(9, 5, seed=1)
    row, column = torch.arange(54) // 9, torch.arange(54) % 9
    products = (left.double() @ right.double().t()).float()
    out = exact_inner_product(left, right, row, column)
    torch.testing.assert_close(out, products.view(-1), atol=1e-7, rtol=0)
    cosines = torch.nn.functional.cosine_similarity(left[:, None].double(), left.double(), dim=2)
    row, column = torch.arange(36) // 6, torch.arange(36) % 6
    out = exact_cosine(left, row, column)
    torch.testing.assert_close(out, cosines.float().view(-1), atol=1e-7, rtol=0)


def test_the_cosine_of_equal_rows_is_exactly_one() -> None:
    x = normal(50, 7).repeat(2, 1)
    row = torch.arange(100)
    assert exact_cosine(x, row, row).tolist() == [1.0] * 100
    assert exact_cosine(x, row[:50], row[50:]).tolist() == [1.0] * 50


@pytest.mark.parametrize("gather_cost", [0, 10**9], ids=["gathered", "blocks"])
@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_pair_inner_product(
    gather_cost: int, memory_budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "GATHER_COST", gather_cost)
    monkeypatch.setattr(pairs, "CACHE_BYTES", 32 * 5 * 7)
    x = normal(20, 5)
    row = torch.arange(20).repeat_interleave(torch.arange(20) % 4)
    column = (7 * torch.arange(row.numel())) % 20
    expected = [float(x[i].double() @ x[j].double()) for i, j in zip(row, column, strict=True)]
    out = pair_inner_product(x, row, column, memory_budget)
    torch.testing.assert_close(out, torch.tensor(expected))
    nothing = torch.empty(0, dtype=torch.long)
    assert pair_inner_product(x, nothing, nothing, memory_budget).tolist() == []


def test_block_rows() -> None:
    assert block_rows(1000, num_columns=10) == 6
    assert block_rows(1000, num_columns=10, bytes_per_entry=24) == 4
    assert block_rows(1, num_columns=10) == 1
    assert block_rows(32, num_columns=0) == 2
