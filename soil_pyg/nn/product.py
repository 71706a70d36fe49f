"""Products of matrices by the faster of the libraries that torch brings along."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE_STEP = 64
"""oneDNN compiles code for each size of a product and keeps it: sizes that vary are rounded so."""


def _prefers_onednn() -> bool:
    # MKL, which torch multiplies with, uses AVX-512 on processors of its maker only.
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    vendor = ""
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        vendor = next((line for line in lines if line.startswith("vendor_id")), "")
    return (
        "AuthenticAMD" in vendor
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


PREFERS_ONEDNN = _prefers_onednn()
"""Whether oneDNN multiplies matrices in single precision faster than what torch does by itself."""


def product(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    r"""Returns :math:`\mathbf{X} \mathbf{Y}^{\top}`; gradients flow to both.

    On a CPU and in single precision this is left to oneDNN where that is faster, which is about
    twice as fast on AMD's processors with AVX-512. Elsewhere it is what torch does.

    Args:
        x (Tensor): A matrix of shape :obj:`[num_rows, channels]`.
        y (Tensor): A matrix of shape :obj:`[num_columns, channels]`.
        out (Tensor, optional): Memory that the result may take, for matrices without gradients.
            (default: :obj:`None`)

    Example:
        >>> product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
        tensor([[11., 17.]])
    """
    if not uses_onednn(x, y):
        return torch.mm(x, y.t(), out=out)
    if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad):
        return _Product.apply(x, y)
    return _multiply(x, y)


def product_of_rows(x: Tensor, row: Tensor, y: Tensor, column: Tensor) -> Tensor:
    r"""Returns the products of some rows of a matrix with some rows of another, as
    :obj:`product(x[row], y[column])` does; how many they are may vary from call to call.

    Args:
        x (Tensor): A matrix of shape :obj:`[num_x, channels]`.
        row (Tensor): Rows of it, of shape :obj:`[num_rows]`.
        y (Tensor): A matrix of shape :obj:`[num_y, channels]`.
        column (Tensor): Rows of it, of shape :obj:`[num_columns]`.

    Returns:
        A matrix of shape :obj:`[num_rows, num_columns]`, which may lie in a larger one.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> product_of_rows(x, torch.tensor([1]), x, torch.tensor([0, 1]))
        tensor([[11., 25.]])
    """
    size = row.numel(), column.numel()
    if uses_onednn(x, y):
        row, column = _round_up(row), _round_up(column)
    # Many times faster than x[row], which copies number by number.
    out = product(x.index_select(0, row), y.index_select(0, column))
    return out[: size[0], : size[1]]


def _round_up(index: Tensor) -> Tensor:
    # To one of four sizes between two powers of two: the code for a pair of sizes takes half a
    # mebibyte.
    step = max(SIZE_STEP // 4, 2 ** (index.numel().bit_length() - 3))
    return F.pad(index, [0, -index.numel() % step])


def uses_onednn(x: Tensor, y: Tensor) -> bool:
    """Returns whether :func:`product` leaves the product of two matrices to oneDNN.

    Args:
        x (Tensor): The first matrix.
        y (Tensor): The second matrix.
    """
    return (
        PREFERS_ONEDNN
        and all(_is_plain(matrix) for matrix in (x, y))
        and x.size(1) == y.size(1)
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and _wants_full_precision()
        # Compiled code is rather made of what the compiler knows, and what transforms functions
        # does not know the operator.
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch.autograd.forward_ad._current_level < 0
    )


def _is_plain(matrix: Tensor) -> bool:
    return (
        matrix.device.type == "cpu"
        and matrix.dtype == torch.float32
        and matrix.layout == torch.strided
        and matrix.dim() == 2
        and matrix.numel() > 0
    )


def _wants_full_precision() -> bool:
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:
        # Set by the newer flags of torch, of which this one does not tell.
        return False


def _multiply(x: Tensor, y: Tensor) -> Tensor:
    # oneDNN reads both directions, but is very slow on a matrix that lies in a wider one.
    if not (y.is_contiguous() or y.t().is_contiguous()):
        y = y.contiguous()
    return torch.ops.mkldnn._linear_pointwise(x, y, None, "none", [], "")


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return _multiply(x, y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        grad_x = product(grad, y.t()) if ctx.needs_input_grad[0] else None
        grad_y = product(grad.t(), x.t()) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y
