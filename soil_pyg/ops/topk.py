from collections.abc import Callable

import torch
from torch import Tensor

from soil_pyg.ops.ragged import order_by_group, rank_in_group


def topk_by_id(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` largest scores of each row, ties broken by the smaller column.

    Unlike :func:`torch.topk`, the result does not depend on the device or the number of threads.

    Args:
        scores (Tensor): Scores of shape :obj:`[num_rows, num_columns]`.
        k (int): The number of columns to return, cut at :obj:`num_columns`.

    Returns:
        The values and the columns, both of shape :obj:`[num_rows, min(k, num_columns)]`.

    Raises:
        ValueError: If :obj:`k` is less than 1.

    Example:
        >>> import torch
        >>> topk_by_id(torch.tensor([[1.0, 3.0, 3.0, 3.0]]), k=2)[1]
        tensor([[1, 2]])
    """
    if k < 1:
        raise ValueError(f"'k' must be at least 1 (got {k})")
    k = min(k, scores.size(1))
    values, columns = _topk_grouped(scores, min(k + 1, scores.size(1)))
    if values.size(1) > k:
        tied = (values[:, k - 1] == values[:, k]).nonzero().view(-1)
        values, columns = values[:, :k], columns[:, :k]
        if tied.numel() > 0:
            columns[tied] = _first_columns(scores[tied], values[tied, -1:], k)
    columns = columns.sort(dim=1).values
    values, order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def _first_columns(scores: Tensor, cut: Tensor, k: int) -> Tensor:
    # All columns above the cut, and of those on the cut the first that fit.
    above, on_cut = scores > cut, scores == cut
    room = k - above.sum(dim=1, keepdim=True)
    keep = above | (on_cut & (on_cut.cumsum(dim=1) <= room))
    return keep.nonzero()[:, 1].view(scores.size(0), k)


ROUNDING = 4e-6
"""Inner products of unit vectors that differ by less may be equal."""

Rescore = Callable[[Tensor, Tensor], Tensor]
"""Gives the exact scores of entries by their rows and columns."""


def topk_rescored(
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
    values, columns = _topk_grouped(scores, min(k + 1, scores.size(1)))
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


def isin_rowwise(expected: Tensor, found: Tensor) -> Tensor:
    """Returns which columns of each row were found in the same row of the other matrix."""
    found = found.sort(dim=1).values.contiguous()
    at = torch.searchsorted(found, expected.contiguous()).clamp(max=found.size(1) - 1)
    return found.gather(1, at) == expected


GROUP_SIZE = 8
"""So many columns are compared by the largest of them first."""

FEW = 512
"""From so many columns for each that is asked for on, comparing groups first is faster."""


def _topk_grouped(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` largest scores of each row, as :func:`torch.topk` does, which on a CPU
    is slower for few of many columns: it copies each score beside its place.

    The largest lie in the :math:`k` groups of columns that have the largest maxima. As with
    :func:`torch.topk`, which of equal scores are returned is not defined.

    Args:
        scores (Tensor): Scores of shape :obj:`[num_rows, num_columns]`.
        k (int): The number of columns to return, at most :obj:`num_columns`.

    Returns:
        Values, descending, and columns of shape :obj:`[num_rows, k]`.

    Example:
        >>> _topk_grouped(torch.arange(6000.0).view(1, -1), k=2)
        (tensor([[5999., 5998.]]), tensor([[5999, 5998]]))
    """
    num_columns = scores.size(1)
    if scores.device.type != "cpu" or num_columns < FEW * k:
        values, columns = scores.topk(k)
        return values, columns
    num_groups = num_columns // GROUP_SIZE
    grouped = GROUP_SIZE * num_groups
    # Group g has the columns g, g + num_groups, ...: maxima of whole rows are fast.
    largest = scores[:, :grouped].unflatten(1, (GROUP_SIZE, num_groups)).amax(dim=1)
    group = largest.topk(k, sorted=False).indices.unsqueeze(2)
    columns = (group + num_groups * torch.arange(GROUP_SIZE)).flatten(1)
    rest = torch.arange(grouped, num_columns).expand(scores.size(0), -1)
    columns = torch.cat([columns, rest], dim=1)
    values, at = scores.gather(1, columns).topk(k)
    return values, columns.gather(1, at)
