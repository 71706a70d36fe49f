import torch
from torch import Tensor

from soil_pyg.nn.ragged import rank_in_group
from soil_pyg.progress import blocks

NUMBERS_AT_ONCE = 2**20
"""As many numbers are compared at a time."""


def first_equal_row(x: Tensor) -> Tensor:
    """Returns for each row the first that is equal to it; a later one at times where different rows
    have equal weighted sums.

    Args:
        x (Tensor): A matrix of shape :obj:`[num_rows, channels]`.

    Example:
        >>> first_equal_row(torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]]))
        tensor([0, 1, 0])
    """
    num_rows, channels = x.size()
    at_once = max(1, NUMBERS_AT_ONCE // max(1, channels))
    weight = torch.linspace(1, 2, channels, dtype=x.dtype, device=x.device)
    key = x.new_empty(num_rows)
    for start in range(0, num_rows, at_once):
        # Each row is summed by itself, so that equal rows have equal sums.
        key[start : start + at_once] = (x[start : start + at_once] * weight).sum(dim=1)
    key, order = key.sort(stable=True)
    differs = torch.ones(num_rows, dtype=torch.bool, device=x.device)
    second = (key[1:] == key[:-1]).nonzero().view(-1) + 1
    for block in blocks(second.numel(), at_once, "comparing equal features"):
        rows = second[block]
        before = x.index_select(0, order[rows - 1])
        differs[rows] = (before != x.index_select(0, order[rows])).any(dim=1)
    place = torch.arange(num_rows, device=x.device)
    first = order[place.masked_fill(~differs, 0).cummax(dim=0).values]
    return torch.empty_like(first).scatter_(0, order, first)


def rank_among_equal_rows(x: Tensor) -> Tensor:
    """Returns how many of the rows before each are equal to it, as :func:`first_equal_row` tells.

    Args:
        x (Tensor): A matrix of shape :obj:`[num_rows, channels]`.

    Example:
        >>> rank_among_equal_rows(torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]]))
        tensor([0, 0, 1])
    """
    first, order = first_equal_row(x).sort(stable=True)
    return torch.empty_like(order).scatter_(0, order, rank_in_group(first))
