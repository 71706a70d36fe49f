import torch

from soil_pyg.ops.ragged import (
    budget_blocks,
    concat_ranges,
    index2ptr,
    order_by_group,
)


def test_expand() -> None:
    position, owner = concat_ranges(torch.tensor([4, 0, 9]), torch.tensor([2, 0, 3]))
    assert position.tolist() == [4, 5, 9, 10, 11]
    assert owner.tolist() == [0, 0, 2, 2, 2]


def test_group_pointers() -> None:
    assert index2ptr(torch.tensor([0, 0, 2]), 4).tolist() == [0, 2, 2, 3, 3]


def test_budget_blocks_cover_all_rows() -> None:
    cost = torch.tensor([3, 1, 1, 7, 0, 2])
    assert budget_blocks(cost, 5) == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert budget_blocks(cost[:0], 5) == []


def test_order_by_group_as_two_stable_sorts() -> None:
    generator = torch.Generator().manual_seed(0)
    group = torch.randint(40, (3000,), generator=generator)
    group[:100] = 2**31 - 1
    # Few distinct values: many are equal. Both zeros are.
    value = torch.randint(-9, 9, (3000,), generator=generator).float() / 7
    value[::50] = torch.tensor([-torch.inf, torch.inf, -0.0, 0.0, -1e-45, 1e-45]).repeat(10)
    entries = zip(group.tolist(), (-value).tolist(), strict=True)
    expected = [n for *_, n in sorted((*entry, n) for n, entry in enumerate(entries))]
    assert order_by_group(group, value).tolist() == expected
