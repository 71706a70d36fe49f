"""Products of matrices by the faster of the libraries that torch contains."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isqrt
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.utils._private import is_transformed, linear_pointwise

SIZE_STEP = 64
"""The multiple that varying sizes are rounded up to: oneDNN compiles and keeps code per size."""


def _prefers_onednn() -> bool:
    # MKL, torch's default library, uses AVX-512 on Intel's processors only.
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):  # type: ignore[no-untyped-call]
        return False
    vendor = ""
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        vendor = next((line for line in lines if line.startswith("vendor_id")), "")
    return (
        "AuthenticAMD" in vendor
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and linear_pointwise is not None
    )


PREFERS_ONEDNN = _prefers_onednn()
"""Is set if oneDNN multiplies matrices in single precision faster than torch's default library."""


def matmul_t(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    r"""Returns :math:`\mathbf{X} \mathbf{Y}^{\top}`; gradients flow to both.

    On AMD's processors with AVX-512, products in single precision are left to oneDNN, which is
    about twice as fast. Elsewhere torch multiplies. Matrices without gradients may be multiplied
    into :obj:`out`, which may be used or not.

    Example:
        >>> matmul_t(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
        tensor([[11., 17.]])
    """
    if not uses_onednn(x, y):
        return torch.mm(x, y.t(), out=out)
    if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad):
        product: Tensor = _Product.apply(x, y)  # type: ignore[no-untyped-call]
        return product
    return _multiply(x, y)


def matmul_t_rows(x: Tensor, row: Tensor, y: Tensor, column: Tensor) -> Tensor:
    """Returns :obj:`matmul_t(x[row], y[column])` for numbers of rows and columns that vary from
    call to call; it may be a view of a larger matrix.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> matmul_t_rows(x, torch.tensor([1]), x, torch.tensor([0, 1]))
        tensor([[11., 25.]])
    """
    size = row.numel(), column.numel()
    if uses_onednn(x, y):
        row, column = _round_up(row), _round_up(column)
    # Many times faster than x[row], which copies single numbers.
    out = matmul_t(x.index_select(0, row), y.index_select(0, column))
    return out[: size[0], : size[1]]


def uses_onednn(x: Tensor, y: Tensor) -> bool:
    """Returns whether :func:`matmul_t` leaves the product of two matrices to oneDNN."""
    return (
        PREFERS_ONEDNN
        and all(_is_plain(matrix) for matrix in (x, y))
        and x.size(1) == y.size(1)
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and _matmul_precision() == "highest"
        # The compiler and the transforms of torch.func do not know the operator.
        and not torch.compiler.is_compiling()
        and not is_transformed()
    )


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Sets :func:`torch.set_float32_matmul_precision` within a block, where newer flags of torch do
    not set it.
    """
    before = _matmul_precision()
    if before is not None:
        torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        if before is not None:
            torch.set_float32_matmul_precision(before)


def symmetric_rows(c: Tensor, num_rows: int, memory_budget: int = 2**27) -> Iterator[Tensor]:
    r"""Yields the rows of :math:`\mathbf{C} \mathbf{C}^{\top}` from the first to the last, in
    blocks of shape :obj:`[num_rows, num_nodes]`; the last block may have fewer rows.

    On a CPU most products are computed once: tiles right of the diagonal are kept for the rows
    below. The larger the budget, in bytes, the more rows share their products.

    Example:
        >>> import torch
        >>> for rows in symmetric_rows(torch.tensor([[1.0], [2.0], [3.0]]), num_rows=2):
        ...     print(rows.tolist())
        [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
        [[3.0, 6.0, 9.0]]
    """
    num_nodes = c.size(0)
    group_size = num_rows
    if c.device.type == "cpu":
        # At most a quarter of the square of a group of rows is kept.
        most = isqrt(4 * memory_budget // c.element_size())
        group_size *= max(1, most // num_rows)
    for begin in range(0, num_nodes, group_size):
        end = min(begin + group_size, num_nodes)
        if end - begin > num_rows:
            yield from _rows_of_group(c, begin, end, num_rows)
        else:
            yield matmul_t(c[begin:end], c)


def _round_up(index: Tensor) -> Tensor:
    # Four sizes between two powers of two: the code for a pair of sizes takes half a mebibyte.
    step = max(SIZE_STEP // 4, 2 ** (index.numel().bit_length() - 3))
    return F.pad(index, [0, -index.numel() % step])


def _is_plain(matrix: Tensor) -> bool:
    return (
        matrix.device.type == "cpu"
        and matrix.dtype == torch.float32
        and matrix.layout == torch.strided
        and matrix.dim() == 2
        and matrix.numel() > 0
    )


def _matmul_precision() -> str | None:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        # The newer flags of torch have set it.
        return None


def _multiply(x: Tensor, y: Tensor) -> Tensor:
    # oneDNN reads both layouts, but is very slow on a view of a wider matrix.
    if not (y.is_contiguous() or y.t().is_contiguous()):
        y = y.contiguous()
    assert linear_pointwise is not None
    return linear_pointwise(x, y, None, "none", [], "")


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return _multiply(x, y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        grad_x = matmul_t(grad, y.t()) if ctx.needs_input_grad[0] else None
        grad_y = matmul_t(grad.t(), x.t()) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y


def _rows_of_group(c: Tensor, begin: int, end: int, num_rows: int) -> Iterator[Tensor]:
    blocks = [slice(start, min(start + num_rows, end)) for start in range(begin, end, num_rows)]
    above: dict[int, list[Tensor]] = defaultdict(list)
    for number, block in enumerate(blocks):
        part = c[block]
        rows = c.new_empty(part.size(0), c.size(0))
        for columns in (slice(0, begin), slice(end, c.size(0))):
            if columns.start < columns.stop:
                rows[:, columns] = matmul_t(part, c[columns])
        for columns, tile in zip(blocks, above.pop(number, []), strict=False):
            # In two steps: torch transposes faster into contiguous memory.
            rows[:, columns] = tile.t().contiguous()
        for later in range(number, len(blocks)):
            tile = matmul_t(part, c[blocks[later]])
            rows[:, blocks[later]] = tile
            if later > number:
                above[later].append(tile)
        yield rows
