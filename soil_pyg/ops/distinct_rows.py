import torch
from torch import Tensor

from soil_pyg.ops.pairs import first_equal_row
from soil_pyg.ops.ragged import index2ptr


class DistinctRows:
    """The distinct rows of a matrix, each of which stands for all rows that are equal to it.

    Args:
        x (Tensor): The matrix.

    Example:
        >>> rows = DistinctRows(torch.tensor([[1.0], [2.0], [1.0]]))
        >>> rows.first
        tensor([0, 1])
        >>> rows.expand(torch.tensor([[1, 0], [0, -1]]), k=3)
        tensor([[ 1,  0,  2], [ 0,  2, -1]])
    """

    def __init__(self, x: Tensor) -> None:
        self.first, group = torch.unique(first_equal_row(x), return_inverse=True)
        self.is_all = self.first.numel() == x.size(0)
        self._member = torch.argsort(group, stable=True)
        self._pointer = index2ptr(group, self.first.numel())

    def expand(self, position: Tensor, k: int) -> Tensor:
        """Returns the first :obj:`k` rows that the positions of distinct rows stand for, :obj:`-1`
        where these are fewer.
        """
        size = self._pointer.diff()
        # The first entry of the pointers stands for a position of -1, which has no rows.
        count = torch.where(position >= 0, size[position], 0).clamp(max=k)
        end = count.cumsum(dim=1)
        place = torch.arange(k, device=position.device).expand(position.size(0), -1).contiguous()
        at = torch.searchsorted(end, place, right=True)
        is_found = at < position.size(1)
        at.clamp_(max=position.size(1) - 1)
        offset = place - (end - count).gather(1, at)
        row = self._pointer[position.gather(1, at)] + offset
        return self._member[row.masked_fill_(~is_found, 0)].masked_fill_(~is_found, -1)
