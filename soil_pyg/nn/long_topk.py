import torch
from torch import Tensor

GROUP_SIZE = 8
"""So many columns are compared by the largest of them first."""

FEW = 512
"""From so many columns for each that is asked for on, comparing groups first is faster."""


def long_topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
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
        >>> long_topk(torch.arange(6000.0).view(1, -1), k=2)
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
