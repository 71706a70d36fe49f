import copy
import reprlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from soil_pyg.ops.index_range import check_range
from soil_pyg.utils.checks import check_integer

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
"""The types of indices."""


class CompressedRows:
    """The arrays of a sparse matrix in compressed rows, with the methods of tensors that PyG calls
    for each value of its data.

    Args:
        rowptr, col, weight, num_columns: See :class:`~soil_pyg.nn.Adjacency`.

    Raises:
        ValueError: If the arrays do not match each other.
    """

    def __init__(self, rowptr: Tensor, col: Tensor, weight: Tensor, num_columns: int) -> None:
        if not torch.compiler.is_compiling():
            _check_parts(rowptr, col, weight, num_columns)
        index_dtype = torch.int32 if max(col.numel(), num_columns) < 2**31 else torch.int64
        self.rowptr = rowptr.to(index_dtype)
        self.col = col.to(index_dtype)
        self.weight = weight
        self.size = (rowptr.numel() - 1, num_columns)

    def apply(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Returns the matrix with a function applied to each array, which PyG's data calls through
        the methods named like those of tensors.
        """
        out = copy.copy(self)
        out.rowptr, out.col = function(self.rowptr), function(self.col)
        out.weight = function(self.weight)
        return out

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves all arrays to a device, as :meth:`torch.Tensor.to` does; only the weights change
        their type.
        """
        device = self.weight[:0].to(*args, **kwargs).device
        return self.apply(
            lambda x: x.to(*args, **kwargs) if x.is_floating_point() else x.to(device)
        )

    def cpu(self) -> Self:
        """Moves all arrays to the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """Moves all arrays to a GPU, as :meth:`torch.Tensor.cuda` does."""
        return self.apply(lambda x: x.cuda(*args, **kwargs))

    def pin_memory(self) -> Self:
        """Copies all arrays to page-locked memory."""
        return self.apply(torch.Tensor.pin_memory)

    def clone(self) -> Self:
        """Copies all arrays."""
        return self.apply(torch.clone)

    def detach(self) -> Self:
        """Returns the matrix without the gradient of its weights."""
        return self.apply(torch.Tensor.detach)

    def share_memory_(self) -> Self:
        """Moves all arrays to memory that processes share, in place."""
        self.__dict__.update(self.apply(torch.Tensor.share_memory_).__dict__)
        return self

    def to_dense(self) -> Tensor:
        """Returns the matrix as a dense tensor."""
        out = self.weight.new_zeros(self.size)
        return out.index_put_((self.row(), self.col.long()), self.weight, accumulate=True)

    def row(self) -> Tensor:
        """Returns the row of each entry, of shape :obj:`[num_edges]`."""
        rows = torch.arange(self.size[0], device=self.col.device)
        return torch.repeat_interleave(rows, self.rowptr.diff().long())

    def __repr__(self) -> str:
        name = self.__class__.__name__
        return f"{name}({self.size[0]}, {self.size[1]}, num_edges={self.col.numel()})"


def _check_parts(rowptr: Tensor, col: Tensor, weight: Tensor, num_columns: int) -> None:
    check_integer("num_columns", num_columns, 0)
    for name, index in ("rowptr", rowptr), ("col", col):
        if index.dim() != 1 or index.dtype not in INTEGERS:
            got = f"{list(index.size())}, {index.dtype}"
            raise ValueError(f"'{name}' must be a vector of integers (got {got})")
    if rowptr.numel() == 0:
        raise ValueError("'rowptr' must have at least one entry (got none)")
    if weight.size() != col.size():
        shapes = f"{list(weight.size())} and {list(col.size())}"
        raise ValueError(f"'weight' must have the shape of 'col' (got {shapes})")
    # Products would read outside of the arrays; on other devices the check would wait for them.
    if col.device.type == "cpu":
        ends = int(rowptr[0]), int(rowptr[-1])
        if ends != (0, col.numel()) or bool((rowptr[1:] < rowptr[:-1]).any()):
            raise ValueError(
                f"'rowptr' must rise from 0 to {col.numel()}, the entries of 'col' "
                f"(got {reprlib.repr(rowptr.tolist())})"
            )
        check_range("the entries of 'col'", col, num_columns)
