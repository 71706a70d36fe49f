"""The batch of a step, split over the processes that train one model.

Within :func:`split_batch`, a loss that reduces over the batch reads the rows of all processes, so
that each process computes the loss of the whole batch. On one process nothing changes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Batch:
    is_split = False


@contextmanager
def split_batch() -> Iterator[None]:
    """Makes the functions of this module see the batches of all processes, each of which must
    compute the same loss of its own share.
    """
    before, _Batch.is_split = _Batch.is_split, True
    try:
        yield
    finally:
        _Batch.is_split = before


def gather_batch(x: Tensor) -> Tensor:
    """Returns the rows of all processes in the order of their ranks, or :obj:`x` itself unless the
    batch is split. The gradient of a row is the sum of those of all processes.

    Example:
        >>> x = torch.ones(2)
        >>> gather_batch(x) is x
        True
    """
    return gather_rows(x, _sizes(len(x), x.device)) if _Batch.is_split else x


def sum_batch(x: Tensor) -> Tensor:
    """Returns the sum of a number over all processes, or :obj:`x` itself unless the batch is split.

    Example:
        >>> sum_batch(torch.tensor(2.0))
        tensor(2.)
    """
    return gather_batch(x.view(1)).sum() if _Batch.is_split else x


def mean_square(x: Tensor) -> Tensor:
    """Returns the mean of the squares of the rows of all processes together.

    Example:
        >>> mean_square(torch.tensor([[1.0, 3.0]]))
        tensor(5.)
    """
    return sum_batch(x.square().sum()) / (count_batch(x) * x.size(1))


def squared_loss(weight: float, *rows: Tensor) -> Tensor:
    """Returns half the sum of the squares of the rows of all processes together, times a weight,
    per row of the last argument.

    Example:
        >>> squared_loss(0.5, torch.ones(2, 3), torch.ones(2, 1))
        tensor(1.)
    """
    squares = [x.square().sum() for x in rows]
    return weight * sum_batch(sum(squares[1:], start=squares[0])) / 2 / count_batch(rows[-1])


def dropout_batch(x: Tensor, p: float, training: bool) -> Tensor:
    """Applies dropout to rows of the batch as if one process drew the numbers for all of them."""
    if not _Batch.is_split:
        return F.dropout(x, p, training)
    drawn = F.dropout(x.new_ones(count_batch(x), *x.shape[1:]), p, training)
    return x * drawn[own_rows(x)]


def own_rows(x: Tensor) -> slice:
    """Returns where the rows of this process are in the result of :func:`gather_batch`.

    Example:
        >>> own_rows(torch.ones(2))
        slice(0, 2, None)
    """
    before = sum(_sizes(len(x), x.device)[: dist.get_rank()]) if _Batch.is_split else 0
    return slice(before, before + len(x))


def count_batch(x: Tensor) -> int:
    """Returns the number of rows of all processes together.

    Example:
        >>> count_batch(torch.ones(2))
        2
    """
    return sum(_sizes(len(x), x.device)) if _Batch.is_split else len(x)


def gather_rows(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Returns the rows of all processes, given the number of rows of each."""
    rows: Tensor = _Gather.apply(x, sizes)  # type: ignore[no-untyped-call]
    return rows


def _sizes(size: int, device: torch.device) -> list[int]:
    own = torch.tensor([size], device=device)
    sizes = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, own)
    return [int(found) for found in torch.cat(sizes).tolist()]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: Sequence[int]) -> Tensor:
        ctx.sizes = list(sizes)
        # A collective takes tensors of one size.
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: len(x)] = x
        rows = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(rows, padded)
        return torch.cat([part[:size] for part, size in zip(rows, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # The sum must not change the gradient in place: others may hold it.
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return torch.split(grad, ctx.sizes)[dist.get_rank()], None
