from collections.abc import Callable

import torch
from torch import Tensor

from soil_pyg.nn.long_topk import long_topk
from soil_pyg.nn.ragged import order_by_group, rank_in_group

ROUNDING = 4e-6
"""Inner products of unit vectors that differ by less may be equal."""

Rescore = Callable[[Tensor, Tensor], Tensor]
"""Gives the exact scores of entries by their rows and columns."""


def exact_topk(
    scores: Tensor,
    k: int,
    tolerance: Tensor,
    rescore: Rescore,
    ordered: bool = True,
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best columns of each row by (value, id), whatever the rounding.

    Args:
        scores (Tensor): Rounded scores of shape :obj:`[num_rows, num_columns]`, :math:`-\infty`
            where a column is no candidate.
        k (int): The number of columns to return, at most :obj:`num_columns`.
        tolerance (Tensor): What may be rounding, of shape :obj:`[num_rows]`.
        rescore (callable): Gives the exact scores of entries by their rows and columns.
        ordered (bool, optional): If set to :obj:`False`, only which columns are the best is told
            exactly, not their order, and only what may be the last of them is scored again.
            (default: :obj:`True`)

    Returns:
        Values and columns of shape :obj:`[num_rows, k]`, filled up with :math:`-\infty` and
        :obj:`-1`.
    """
    values, columns = long_topk(scores, min(k + 1, scores.size(1)))
    tied = has_near_ties(values if ordered else values[:, k - 1 :], tolerance).nonzero().view(-1)
    values, columns = values[:, :k].contiguous(), columns[:, :k].contiguous()
    if tied.numel() > 0:
        cut, margin = values[tied, -1], 2 * tolerance[tied]
        near = scores[tied]
        bar = (cut - margin).unsqueeze(1)
        row, column = ((near >= bar) & (near > -torch.inf)).nonzero().unbind(1)
        value = near[row, column]
        # What lies above the cut by more is among the best, whatever its place.
        doubtful = value <= (cut + (torch.inf if ordered else margin))[row]
        doubtful = doubtful.nonzero().view(-1)
        value[doubtful] = rescore(tied[row[doubtful]], column[doubtful])
        values[tied], columns[tied] = best_of_each_row(row, column, value, tied.numel(), k)
    return values, columns.masked_fill_(values == -torch.inf, -1)


def best_of_each_row(
    row: Tensor, column: Tensor, value: Tensor, num_rows: int, k: int
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best entries of each row by (value, id).

    Args:
        row (Tensor): The row of each entry.
        column (Tensor): The column of each entry, ascending within a row.
        value (Tensor): The value of each entry.
        num_rows (int): The number of rows.
        k (int): The number of entries to return.

    Returns:
        Values and columns of shape :obj:`[num_rows, k]`, filled up with :math:`-\infty` and
        :obj:`-1`.
    """
    order = order_by_group(row, value)
    row, column, value = row[order], column[order], value[order]
    rank = rank_in_group(row)
    first = rank < k
    values = value.new_full((num_rows, k), -torch.inf)
    columns = column.new_full((num_rows, k), -1)
    values[row[first], rank[first]] = value[first]
    columns[row[first], rank[first]] = column[first]
    return values, columns


def has_near_ties(values: Tensor, tolerance: Tensor) -> Tensor:
    """Returns which rows of values in descending order have neighbours that rounding may swap."""
    gap = values[:, :-1] - values[:, 1:]
    return (gap <= tolerance.unsqueeze(1)).any(dim=1)


def in_rows(expected: Tensor, found: Tensor) -> Tensor:
    """Returns which columns of each row were found in the same row of the other matrix."""
    found = found.sort(dim=1).values.contiguous()
    at = torch.searchsorted(found, expected.contiguous()).clamp(max=found.size(1) - 1)
    return found.gather(1, at) == expected
