from collections.abc import Callable

from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency


class SampledAdjacency(Adjacency):
    r"""Sampled rows and columns of a matrix that stand for all of it: each row of a product is
    scaled, so that the sampled columns represent all columns.

    .. math::
        \mathbf{x}^{\prime}_i = s_i \sum_{j} a_{ij} \mathbf{x}_j

    The transpose has factors of its own, so that the two are not transposes of each other.

    Args:
        part (Adjacency): The sampled rows and columns, with the weights of the whole matrix.
        scale (Tensor): The factor of each row, of shape :obj:`[num_rows]`.
        scale_t (Tensor): The factor of each row of the transpose, of shape :obj:`[num_columns]`.

    Example:
        >>> import torch
        >>> part = Adjacency.from_edge_index(torch.tensor([[0, 1], [0, 0]]), size=(2, 1))
        >>> sampled = SampledAdjacency(part, torch.tensor([1.5]), torch.tensor([1.0, 4.0]))
        >>> sampled.to_dense(), sampled.t().to_dense()
        (tensor([[1.5000, 1.5000]]), tensor([[1.], [4.]]))
    """

    def __init__(self, part: Adjacency, scale: Tensor, scale_t: Tensor) -> None:
        for name, factor, size in ("scale", scale, 0), ("scale_t", scale_t, 1):
            if factor.size() != (part.size[size],):
                shape = list(factor.size())
                raise ValueError(f"'{name}' must have the shape [{part.size[size]}] (got {shape})")
        super().__init__(part.rowptr, part.col, part.weight * scale[part.row()], part.size[1])
        self.part = part
        self.scale = scale
        self.scale_t = scale_t

    def t(self) -> Adjacency:
        """Returns the transpose of the part, scaled by its own factors; it is computed once."""
        if self._transposed is None:
            self._transposed = SampledAdjacency(self.part.t(), self.scale_t, self.scale)
            self._transposed._transposed = self
        return self._transposed

    def matmul(self, x: Tensor) -> Tensor:
        """Multiplies the matrix with :obj:`x`; gradients flow to :obj:`x`.

        Args:
            x (Tensor): Source node features of shape :obj:`[num_columns, channels]`.
        """
        return self.scale.to(x.dtype).unsqueeze(1) * self.part.matmul(x)

    __matmul__ = matmul

    def apply(self, function: Callable[[Tensor], Tensor]) -> "SampledAdjacency":
        """Returns the matrix with a function applied to each array."""
        scales = function(self.scale), function(self.scale_t)
        return SampledAdjacency(self.part.apply(function), *scales)


def row_totals(matrix: Adjacency) -> Tensor:
    """Returns the sum of the absolute weights of each row, of shape :obj:`[num_rows]`."""
    weight = matrix.weight.detach().abs()
    ones = weight.new_ones(matrix.size[1], 1)
    return Adjacency(matrix.rowptr, matrix.col, weight, matrix.size[1]).matmul(ones).squeeze(1)


def column_totals(matrix: Adjacency) -> Tensor:
    """Returns the sum of the absolute weights of each column, of shape :obj:`[num_columns]`."""
    weight = matrix.weight.detach().abs()
    return weight.new_zeros(matrix.size[1]).index_add_(0, matrix.col, weight)
