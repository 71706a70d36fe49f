from collections.abc import Callable

import torch
from torch import Tensor

from soil_pyg.ops.ragged import GrowingTensors, order_by_group, rank_in_group


class BestSums:
    """Keeps the entries that may be among the :obj:`k` largest of their row while a matrix comes in
    blocks of columns. Ties go to the smaller column.

    Args:
        num_columns (int): The number of columns of the matrix.
        k (int): The number of entries per row.
        tolerance (Tensor): The largest error of an entry, by row.

    Example:
        >>> best = BestSums(num_columns=3, k=1, tolerance=torch.zeros(2))
        >>> best.add(0, torch.tensor([[1.0, 3.0], [2.0, 0.0]]))
        >>> best.add(2, torch.tensor([[2.0], [4.0]]))
        >>> best.pop(lambda row, column: torch.zeros(len(row)))
        tensor([1, 5])
    """

    def __init__(self, num_columns: int, k: int, tolerance: Tensor) -> None:
        self.num_columns, self.k, self.tolerance = num_columns, k, tolerance
        device = tolerance.device
        # The largest entries of each row so far, and all (row, column, entry) that may be among
        # the largest.
        lowest = torch.finfo(torch.float32).min
        self._best = torch.full((tolerance.numel(), k), lowest, device=device)
        self._found = GrowingTensors(torch.int32, torch.int32, torch.float32, device=device)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, start: int, entries: Tensor) -> None:
        """Takes the columns from :obj:`start` on, in their order."""
        best = self._best
        if start == 0:
            first = entries.topk(min(self.k, entries.size(1))).values
            best[:, : first.size(1)] = first.clamp(min=torch.finfo(first.dtype).min)
        bar = best[:, -1] - 2 * self.tolerance
        # One maximum per row excludes most rows, which have no such entry in the block.
        some = (entries.amax(dim=1) >= bar).nonzero().view(-1)
        entries = entries.index_select(0, some)
        place, column = (entries >= bar[some].unsqueeze(1)).nonzero().unbind(1)
        value = entries[place, column]
        self._found.add(some[place], column + start, value)
        if start > 0:
            _merge(best, some, place, value)

    def pop(self, exact: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Returns :obj:`row * num_columns + column` of the largest entries, in no order, and
        removes all.

        Args:
            exact (callable): Computes entries without error from their rows, ascending, and their
                columns. Those that may tie are compared so.
        """
        row, column, value = self._found.pop()
        row, column = row.long(), column.long()
        cut, tolerance = self._best[:, -1], self.tolerance
        keep = (value >= (cut - 2 * tolerance)[row]).nonzero().view(-1)
        row, column, value = row[keep], column[keep], value[keep]
        above = value > (cut + 2 * tolerance)[row]
        near = ~above
        room = self.k - torch.bincount(row[above], minlength=len(cut))
        is_tied = torch.bincount(row[near], minlength=len(cut)) > room
        tied = near & is_tied[row]
        key = row * self.num_columns + column
        chosen = key[~tied]
        row, column = row[tied], column[tied]
        order = torch.argsort(key[tied])
        row, column = row[order], column[order]
        order = order_by_group(row, exact(row, column))
        row, column = row[order], column[order]
        first = rank_in_group(row) < room[row]
        return torch.cat([chosen, (row * self.num_columns + column)[first]])


def _merge(best: Tensor, rows: Tensor, place: Tensor, value: Tensor) -> None:
    # Merges new entries into the best of `rows`; `place` is the position in `rows`, ascending.
    if rows.numel() == 0:
        return
    count = torch.bincount(place, minlength=rows.numel())
    new = value.new_full((rows.numel(), int(count.max())), torch.finfo(value.dtype).min)
    rank = torch.arange(place.numel(), device=place.device) - (count.cumsum(0) - count)[place]
    new[place, rank] = value
    best[rows] = torch.cat([best[rows], new], dim=1).topk(best.size(1)).values
