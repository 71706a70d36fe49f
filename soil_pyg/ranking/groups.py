"""Groups of users and of items of similar size."""

from dataclasses import dataclass

import torch
from torch import Tensor

NUM_GROUPS = 5


@dataclass(frozen=True)
class Groups:
    """Groups of similar size by a count, with equal counts in the same group: the group of each
    member, and the minimum and maximum count and the number of members per group.
    """

    index: Tensor
    bounds: list[tuple[int, int]]
    size: list[int]

    def mean(self, value: Tensor) -> list[float]:
        """Returns the mean per group of a value of each member."""
        total = torch.bincount(self.index, value.double(), minlength=len(self.size))
        return list((total / torch.tensor(self.size)).tolist())


def quantile_groups(count: Tensor, num_groups: int = NUM_GROUPS) -> Groups:
    """Cuts at least one member into at most :obj:`num_groups` groups of similar size by a count.

    Example:
        >>> quantile_groups(torch.tensor([5, 1, 1, 1, 9, 2]), num_groups=3).bounds
        [(1, 1), (2, 2), (5, 9)]
    """
    ordered = count.sort().values
    last = torch.arange(1, num_groups + 1) * len(count) // num_groups - 1
    upper = torch.unique(ordered[last.clamp(min=0)])
    index = torch.searchsorted(upper, count)
    lower = upper.scatter_reduce(0, index, count, "amin")
    bounds = list(zip(lower.tolist(), upper.tolist(), strict=True))
    return Groups(index, bounds, torch.bincount(index, minlength=len(upper)).tolist())
