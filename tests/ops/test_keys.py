import pytest
import torch
from torch import Tensor

from soil_pyg.ops.keys import distinct_keys, group_keys, sum_by_key

LOWS = [-(2**62), -3, 0, 2**40]
SPANS = [1, 30, 1199, 1200, 1300, 2**40, 2**62]


def draw(low: int, span: int) -> Tensor:
    generator = torch.Generator().manual_seed(span % 997)
    key = torch.randint(low, low + span, (200,), generator=generator)
    return torch.cat([key, key[::2]])


@pytest.mark.parametrize("low", LOWS)
@pytest.mark.parametrize("span", SPANS)
def test_keys_are_counted_and_grouped(low: int, span: int) -> None:
    key = draw(low, span)
    numbers = sorted(set(key.tolist()))
    distinct, count = distinct_keys(key)
    assert distinct.tolist() == numbers
    assert count.tolist() == [key.tolist().count(number) for number in numbers]
    distinct, position = group_keys(key)
    assert distinct.tolist() == numbers
    assert position.tolist() == [numbers.index(number) for number in key.tolist()]


def test_no_keys() -> None:
    none = torch.tensor([], dtype=torch.long)
    for function in (distinct_keys, group_keys):
        assert [part.tolist() for part in function(none)] == [[], []]


@pytest.mark.parametrize("low", LOWS)
@pytest.mark.parametrize("span", SPANS)
def test_sum_by_key_adds_in_the_order_of_the_keys(low: int, span: int) -> None:
    key, generator = draw(low, span), torch.Generator().manual_seed(0)
    scale = 10.0 ** torch.randint(-9, 9, key.size(), generator=generator)
    weight = scale * torch.randn(key.size(), generator=generator)
    totals: dict[int, float] = {}
    for number, value in zip(key.tolist(), weight.double().tolist(), strict=True):
        totals[number] = totals.get(number, 0.0) + value
    found, total = sum_by_key(key, weight)
    assert found.tolist() == sorted(totals)
    assert total.dtype == torch.float64
    assert total.tolist() == [totals[number] for number in sorted(totals)]


def test_sum_by_key_keeps_sums_of_zero_and_takes_no_keys() -> None:
    found, total = sum_by_key(torch.tensor([5, 5, 4]), torch.tensor([1.0, -1.0, 0.0]))
    assert (found.tolist(), total.tolist()) == ([4, 5], [0.0, 0.0])
    found, total = sum_by_key(torch.tensor([], dtype=torch.long), torch.tensor([]))
    assert (found.numel(), total.numel(), total.dtype) == (0, 0, torch.float64)
