"""Groups of different sizes that lie one behind the other in a vector."""

import torch
from torch import Tensor
from torch_geometric.utils import cumsum


def expand(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the ranges :obj:`start[n]..start[n] + count[n]` in a row, and the :obj:`n` of each.

    Example:
        >>> expand(torch.tensor([5, 0]), torch.tensor([2, 1]))
        (tensor([5, 6, 0]), tensor([0, 0, 1]))
    """
    owner = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count)
    offset = start - (count.cumsum(0) - count)
    return torch.arange(owner.numel(), device=count.device) + offset[owner], owner


def group_pointers(group: Tensor, num_groups: int) -> Tensor:
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
