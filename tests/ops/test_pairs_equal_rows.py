import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops import pairs
from soil_pyg.ops.pairs import first_equal_row, rank_among_equal_rows


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
        patch.setattr(pairs, "NUMBERS_AT_ONCE", at_once)
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
