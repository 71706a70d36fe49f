import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops import pairs
from soil_pyg.ops.pairs import (
    block_rows,
    exact_cosine,
    exact_inner_product,
    first_equal_row,
    pair_inner_product,
    rank_among_equal_rows,
)


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


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


@pytest.mark.parametrize("few", [1, 5, 1000])
def test_rows_with_many_pairs_are_scored_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(pairs, "MIN_DENSE_PAIRS", few)
    monkeypatch.setattr(pairs, "DENSE_ROWS", 2)
    monkeypatch.setattr(pairs, "DENSE_COLUMNS", 4)
    left, right = normal(6, 5), normal(9, 5, seed=1)
    # Rows with one pair to all of them, in any order.
    row, column = (torch.rand(6, 9) < torch.arange(1, 7).unsqueeze(1) / 6).nonzero().unbind(1)
    order = torch.randperm(row.numel())
    row, column = row[order], column[order]
    expected = (left.double() @ right.double().t())[row, column]
    out = exact_inner_product(left, right, row, column)
    torch.testing.assert_close(out, expected.float(), atol=1e-7, rtol=1e-7)
    length = right.double().norm(dim=1)[column]
    out = exact_inner_product(left, right, row, column, unit_right=True)
    torch.testing.assert_close(out, (expected / length).float(), atol=1e-7, rtol=1e-7)
    x = torch.cat([right, right])
    row, column = torch.arange(18 * 18) // 18, torch.arange(18 * 18) % 18
    out = exact_cosine(x, row, column).view(18, 18)
    unit = torch.nn.functional.normalize(x.double())
    torch.testing.assert_close(out, (unit @ unit.t()).float(), atol=1e-7, rtol=1e-7)
    assert (out.diagonal() == 1).all()
    assert (out[:9, 9:].diagonal() == 1).all()


def test_the_cosine_of_equal_rows_is_exactly_one() -> None:
    x = normal(50, 7).repeat(2, 1)
    row = torch.arange(100)
    assert exact_cosine(x, row, row).tolist() == [1.0] * 100
    assert exact_cosine(x, row[:50], row[50:]).tolist() == [1.0] * 50


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_pair_inner_product(dtype: torch.dtype) -> None:
    left, right = normal(20, 5), normal(30, 5, seed=1)
    # Some rows have no pairs, the first and the last among them.
    count = (torch.arange(20) % 4) * (torch.arange(20) < 18)
    rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
    row = torch.arange(20).repeat_interleave(count)
    column = (7 * torch.arange(row.numel())) % 30
    expected = (left.double()[row] * right.double()[column]).sum(dim=1).float()
    out = pair_inner_product(left, right, rowptr.to(dtype), column.to(dtype))
    assert out.size() == (row.numel(),)
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("cache", [1, 4 * 30 * 64, 4 * 30 * 128])
def test_channels_may_come_in_parts(monkeypatch: pytest.MonkeyPatch, cache: int) -> None:
    monkeypatch.setattr(pairs, "SHARED_CACHE_BYTES", cache)
    left, right = normal(20, 200), normal(30, 200, seed=1)
    rowptr, column = torch.arange(21) * 2, (7 * torch.arange(40)) % 30
    expected = (left[torch.arange(40) // 2].double() * right[column]).sum(dim=1).float()
    torch.testing.assert_close(pair_inner_product(left, right, rowptr, column), expected)


@pytest.mark.parametrize("size", [1, 7, 30])
def test_columns_may_come_in_tiles(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(pairs, "SHARED_CACHE_BYTES", 4 * 30 * 64)
    left, right = normal(20, 300), normal(30, 300, seed=1)
    # One row has no pairs, and the pairs of a row are not ascending.
    row = torch.cat([torch.arange(10).repeat_interleave(25), torch.arange(11, 20)])
    rowptr, column = pairs.index2ptr(row, 20), (7 * torch.arange(row.numel())) % 29
    whole = pair_inner_product(left, right, rowptr, column)
    monkeypatch.setattr(pairs, "CORE_CACHE_BYTES", 4 * 64 * size)
    monkeypatch.setattr(pairs, "MIN_TILE_PAIRS", 0)
    assert pair_inner_product(left, right, rowptr, column).equal(whole)
    expected = (left.double()[row] * right.double()[column]).sum(dim=1).float()
    torch.testing.assert_close(whole, expected, rtol=1e-5, atol=1e-5)


def test_a_pair_may_be_named_more_than_once() -> None:
    left, right = normal(2, 5), normal(3, 5, seed=1)
    out = pair_inner_product(left, right, torch.tensor([0, 3, 4]), torch.tensor([2, 0, 2, 1]))
    product = left @ right.t()
    expected = torch.stack([product[0, 2], product[0, 0], product[0, 2], product[1, 1]])
    torch.testing.assert_close(out, expected)


def test_no_pairs() -> None:
    x = normal(3, 5)
    nothing = torch.empty(0, dtype=torch.long)
    assert pair_inner_product(x, x, torch.zeros(4, dtype=torch.long), nothing).tolist() == []
    assert pair_inner_product(x[:0], x, torch.zeros(1, dtype=torch.long), nothing).tolist() == []


def test_no_warning_escapes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = pair_inner_product(
            torch.ones(1, 2), torch.ones(1, 2), torch.tensor([0, 1]), torch.tensor([0])
        )
    assert out.tolist() == [2.0]


def test_block_rows() -> None:
    assert block_rows(1000, num_columns=10) == 6
    assert block_rows(1000, num_columns=10, bytes_per_entry=24) == 4
    assert block_rows(1, num_columns=10) == 1
    assert block_rows(32, num_columns=0) == 2


def naive(x: Tensor) -> tuple[list[int], list[int]]:
    rows = [tuple(row) for row in x.tolist()]
    return [rows.index(row) for row in rows], [rows[:i].count(row) for i, row in enumerate(rows)]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    num_rows=st.integers(1, 60),
    num_different=st.integers(1, 20),
    channels=st.integers(1, 40),
)
@pytest.mark.parametrize("at_once", [1, 2**20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_naive_loop(
    at_once: int, dtype: torch.dtype, seed: int, num_rows: int, num_different: int, channels: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    different = torch.randn(num_different, channels, generator=generator, dtype=dtype)
    x = different[torch.randint(num_different, (num_rows,), generator=generator)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "COMPARED_NUMBERS", at_once)
        found = first_equal_row(x).tolist(), rank_among_equal_rows(x).tolist()
    assert found == naive(x)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=30))
def test_of_rows_with_equal_sums_no_different_ones_are_taken_for_equal(
    rows: list[tuple[int, int]],
) -> None:
    # The weights of two channels are 1 and 2.
    x = torch.tensor(rows, dtype=torch.float32)
    _, rank = naive(x)
    found = rank_among_equal_rows(x)
    assert (found <= torch.tensor(rank)).all()
    assert all(rows[int(first)] == row for first, row in zip(first_equal_row(x), rows, strict=True))


def test_nothing() -> None:
    assert first_equal_row(torch.empty(0, 3)).tolist() == []
    assert rank_among_equal_rows(torch.empty(0, 3)).tolist() == []
    assert rank_among_equal_rows(torch.empty(3, 0)).tolist() == [0, 1, 2]
