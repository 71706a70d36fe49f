"""The largest entries of rows, chosen by (value, id)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.keys import sort_integers
from soil_pyg.ops.ragged import order_by_group, rank_in_group
from soil_pyg.utils.checks import check_integer

ROUNDING = 4e-6
"""The largest difference between the rounded and the exact inner product of two unit vectors."""

GROUP_SIZE = 8
"""The number of columns per group of which only the largest is compared at first."""

MIN_COLUMNS = 512
"""The number of columns per entry asked for from which comparing groups first is faster."""

Rescore = Callable[[Tensor, Tensor], Tensor]
"""Returns the exact scores of entries by their rows and columns."""


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
    check_integer("k", k, 1)
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


def topk_rescored(
    scores: Tensor,
    k: int,
    tolerance: Tensor,
    rescore: Rescore,
    ordered: bool = True,
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best columns of each row by the (value, id) of their exact scores.

    Only scores that rounding may have swapped are computed exactly. Values and columns have the
    shape :obj:`[num_rows, k]` and are padded with :math:`-\infty` and :obj:`-1`.

    Args:
        scores (Tensor): Rounded scores of shape :obj:`[num_rows, num_columns]`, :math:`-\infty`
            where a column is no candidate.
        k (int): The number of columns to return, at most :obj:`num_columns`.
        tolerance (Tensor): The largest difference that rounding can make, of shape
            :obj:`[num_rows]`.
        rescore (callable): Returns the exact scores of entries.
        ordered (bool, optional): If set to :obj:`False`, the set of the best columns is exact but
            their order is not, and only scores near the last of them are computed exactly.
            (default: :obj:`True`)
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
        # Entries above the cut by more than the margin are among the best in any case.
        doubtful = torch.arange(row.numel(), device=row.device)
        if not ordered:
            doubtful = doubtful[value <= (cut + margin)[row]]
        value[doubtful] = rescore(tied[row[doubtful]], column[doubtful])
        values[tied], columns[tied] = best_of_each_row(row, column, value, tied.numel(), k)
    return values, columns.masked_fill_(values == -torch.inf, -1)


def best_of_each_row(
    row: Tensor, column: Tensor, value: Tensor, num_rows: int, k: int
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best entries of each row by (value, id), padded with :math:`-\infty`
    and :obj:`-1` to the shape :obj:`[num_rows, k]`; columns must ascend within a row.
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


def best_of_candidates(
    candidates: Tensor, none: int, k: int, score: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best candidates of each row by (value, id), padded with
    :math:`-\infty` and :obj:`-1` to the shape :obj:`[num_rows, min(k, num_candidates)]`.

    Args:
        candidates (Tensor): The ids per row in any order, of shape
            :obj:`[num_rows, num_candidates]`; repeated ones count once.
        none (int): The id that stands for no candidate, larger than all others.
        k (int): The number of candidates to return.
        score (callable): Returns the values of entries, given as compressed rows: the pointers and
            the ids.

    Example:
        >>> best_of_candidates(
        ...     torch.tensor([[4, 2, 4], [7, 9, 9]]), 9, 2, lambda rowptr, ids: ids.float()
        ... )[1]
        tensor([[ 4,  2], [ 7, -1]])
    """
    ids = sort_integers(candidates)
    is_first = ids < none
    is_first[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    scores = torch.full(ids.size(), -torch.inf, device=ids.device)
    scores.masked_scatter_(is_first, score(cumsum(is_first.sum(dim=1)), ids[is_first].long()))
    values, place = topk_by_id(scores, k)
    return values, ids.gather(1, place).masked_fill_(values == -torch.inf, -1)


def has_near_ties(values: Tensor, tolerance: Tensor) -> Tensor:
    """Returns the mask of the rows in which rounding may have swapped adjacent values, which are of
    shape :obj:`[num_rows, num_columns]` and descending; the tolerance has one entry per row.
    """
    gap = values[:, :-1] - values[:, 1:]
    return (gap <= tolerance.unsqueeze(1)).any(dim=1)


def isin_rowwise(elements: Tensor, test_elements: Tensor) -> Tensor:
    """Returns the mask of the elements that are in the same row of :obj:`test_elements`."""
    test_elements = sort_integers(test_elements).contiguous()
    position = torch.searchsorted(test_elements, elements.contiguous())
    position = position.clamp(max=test_elements.size(1) - 1)
    return test_elements.gather(1, position) == elements


def _first_columns(scores: Tensor, cut: Tensor, k: int) -> Tensor:
    # All columns above the cut, and of those at the cut the first that fit.
    above, at_cut = scores > cut, scores == cut
    room = k - above.sum(dim=1, keepdim=True)
    keep = above | (at_cut & (at_cut.cumsum(dim=1) <= room))
    return keep.nonzero()[:, 1].view(scores.size(0), k)


def _topk_grouped(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the :math:`k` largest scores of each row, as :func:`torch.topk` does.

    The largest lie in the :math:`k` groups of columns with the largest maxima. For few of many
    columns this saves most of the copy of the scores that :func:`torch.topk` makes on a CPU. As
    with :func:`torch.topk`, the choice among equal scores is undefined.
    """
    num_columns = scores.size(1)
    if scores.device.type != "cpu" or num_columns < MIN_COLUMNS * max(k, 1):
        values, columns = scores.topk(k)
        return values, columns
    num_groups = num_columns // GROUP_SIZE
    grouped = GROUP_SIZE * num_groups
    # Group g has the columns g, g + num_groups, ...: maxima over contiguous rows are fast.
    largest = scores[:, :grouped].reshape(-1, GROUP_SIZE, num_groups).amax(dim=1)
    group = largest.topk(k, sorted=False).indices.unsqueeze(2)
    columns = (group + num_groups * torch.arange(GROUP_SIZE)).flatten(1)
    rest = torch.arange(grouped, num_columns).expand(scores.size(0), -1)
    columns = torch.cat([columns, rest], dim=1)
    values, position = scores.gather(1, columns).topk(k)
    return values, columns.gather(1, position)
