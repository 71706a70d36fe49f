from torch import Tensor

from soil_pyg.nn.long_topk import long_topk


def topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
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
        >>> topk(torch.tensor([[1.0, 3.0, 3.0, 3.0]]), k=2)[1]
        tensor([[1, 2]])
    """
    if k < 1:
        raise ValueError(f"'k' must be at least 1 (got {k})")
    k = min(k, scores.size(1))
    values, columns = long_topk(scores, min(k + 1, scores.size(1)))
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
