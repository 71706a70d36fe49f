"""Weighted sums of the rows of a dense matrix, as many as a sparse matrix has rows."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import cumsum


def sum_rows(x: Tensor, index: Tensor, ptr: Tensor, weight: Tensor | None = None) -> Tensor:
    """Returns the weighted sum of the rows :obj:`index` of :obj:`x` between each two pointers.

    Example:
        >>> x, index = torch.tensor([[1.0], [2.0]]), torch.tensor([0, 1, 1])
        >>> sum_rows(x, index, torch.tensor([0, 2, 3]))
        tensor([[3.],
                [2.]])
    """
    return F.embedding_bag(
        index,
        x,
        ptr,
        mode="sum",
        per_sample_weights=None if weight is None else weight.to(x.dtype),
        include_last_offset=True,
    )


def sum_parts(x: Tensor, index: Tensor, parts: tuple[Tensor, Tensor], weight: Tensor) -> Tensor:
    """Returns the sums of :func:`sum_rows` over rows cut by :func:`cut_rows`.

    A GPU sums the entries of a row sequentially, so the longest row would set the time.
    """
    part_ptr, row_ptr = parts
    of_parts = sum_rows(x, index, part_ptr, weight)
    place = torch.arange(of_parts.size(0), dtype=row_ptr.dtype, device=x.device)
    return sum_rows(of_parts, place, row_ptr)


def cut_rows(rowptr: Tensor, col: Tensor, num_columns: int) -> tuple[Tensor, Tensor]:
    """Returns the pointers of parts of the rows of a sparse matrix into its entries, and of the
    rows into the parts. A part has at most the square root of the number of columns as entries.

    The sizes do not make the host wait for the device; the last parts may be empty.
    """
    num_rows, num_entries = rowptr.numel() - 1, col.numel()
    length = max(1, math.isqrt(num_columns))
    row_ptr = cumsum((rowptr.diff() + length - 1) // length).to(col.dtype)
    part = torch.arange(num_rows + num_entries // length, device=col.device)
    row = torch.searchsorted(row_ptr[1:], part, right=True).clamp_(max=num_rows - 1)
    begin = rowptr[row] + (part - row_ptr[row]) * length
    part_ptr = torch.cat([begin.clamp(max=num_entries), rowptr[-1:]])
    return part_ptr.to(col.dtype), row_ptr
