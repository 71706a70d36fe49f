from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops.topk import topk_by_id

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
    with pytest.raises(ValueError, match=r"'k' must be at least 1 \(got 0\)"):
        topk_by_id(torch.zeros(1, 3), k=0)
