from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.pairs import pair_inner_product


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


class _EdgeProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, target: Tensor, source: Tensor, matrix: Adjacency) -> Tensor:
        ctx.matrix = matrix
        ctx.save_for_backward(target, source)
        return pair_inner_product(target.detach(), source.detach(), matrix.rowptr, matrix.col)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        target, source = ctx.saved_tensors
        matrix = ctx.matrix.with_weight(grad)
        grad_target = matrix @ source if ctx.needs_input_grad[0] else None
        grad_source = matrix.t() @ target if ctx.needs_input_grad[1] else None
        return grad_target, grad_source, None
