"""Products along the edges of a matrix that hold no vector per edge."""

from typing import Any

import torch
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.pairs import pair_inner_product
from soil_pyg.utils.first_derivative import first_derivative


def edge_products(target: Tensor, source: Tensor, matrix: Adjacency) -> Tensor:
    """Returns the inner product of the features of the target and of the source of each edge.

    Gradients flow to both features. The backward pass propagates along the edges in both directions
    and holds no vector per edge.

    Args:
        target (Tensor): Features of the rows of the matrix, of shape :obj:`[num_rows, channels]`.
        source (Tensor): Features of its columns, of shape :obj:`[num_columns, channels]`.
        matrix (Adjacency): The edges; their weights play no part.

    Example:
        >>> matrix = Adjacency.from_edge_index(torch.tensor([[0, 1], [0, 0]]), size=(2, 1))
        >>> edge_products(torch.tensor([[2.0]]), torch.tensor([[1.0], [3.0]]), matrix)
        tensor([2., 6.])
    """
    out: Tensor = _EdgeProducts.apply(target, source, matrix)  # type: ignore[no-untyped-call]
    return out


def edge_sum(x: Tensor, weight: Tensor, matrix: Adjacency) -> Tensor:
    """Returns the sum of the features of the sources of each target, weighted by the edges.

    Gradients flow to both the features and the weights. No vector per edge is held.

    Args:
        x (Tensor): Features of the columns of the matrix, of shape :obj:`[num_columns, channels]`.
        weight (Tensor): The weights of shape :obj:`[num_edges]`, in the order of the matrix.
        matrix (Adjacency): The edges; their own weights play no part.

    Example:
        >>> matrix = Adjacency.from_edge_index(torch.tensor([[0, 1], [0, 0]]), size=(2, 1))
        >>> edge_sum(torch.tensor([[1.0], [3.0]]), torch.tensor([0.5, 2.0]), matrix)
        tensor([[6.5000]])
    """
    out: Tensor = _EdgeSum.apply(x, weight, matrix)  # type: ignore[no-untyped-call]
    return out


class _EdgeSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, matrix: Adjacency) -> Tensor:
        ctx.matrix = weighted = matrix.with_weight(weight)
        ctx.save_for_backward(x)
        return weighted.matmul(x.detach())

    @staticmethod
    @first_derivative("edge_sum")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x,) = ctx.saved_tensors
        matrix: Adjacency = ctx.matrix
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = matrix.t().matmul(grad.contiguous())
        if ctx.needs_input_grad[1]:
            both = grad.to(matrix.weight.dtype), x.to(matrix.weight.dtype)
            grad_weight = pair_inner_product(*both, matrix.rowptr, matrix.col)
        return grad_x, grad_weight, None


class _EdgeProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, target: Tensor, source: Tensor, matrix: Adjacency) -> Tensor:
        ctx.matrix = matrix
        ctx.save_for_backward(target, source)
        return pair_inner_product(target.detach(), source.detach(), matrix.rowptr, matrix.col)

    @staticmethod
    @first_derivative("edge_products")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        target, source = ctx.saved_tensors
        matrix = ctx.matrix.with_weight(grad)
        grad_target = matrix @ source if ctx.needs_input_grad[0] else None
        grad_source = matrix.t() @ target if ctx.needs_input_grad[1] else None
        return grad_target, grad_source, None
