import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.utils import cumsum
from typing_extensions import Self

from soil_pyg.ops.compressed_rows import INTEGERS, CompressedRows
from soil_pyg.ops.index_range import check_range
from soil_pyg.ops.ragged import concat_ranges, index2ptr
from soil_pyg.ops.row_sums import cut_rows, sum_parts, sum_rows
from soil_pyg.utils._private import has_transpose


class Adjacency(CompressedRows):
    r"""A weighted sparse matrix :math:`\mathbf{A}` to multiply node features with.

    Rows are target nodes and columns source nodes, so that :math:`\mathbf{A}\mathbf{X}` is one
    step of propagation along edges source -> target. It is held in compressed rows and, from the
    first gradient on, transposed as well; all layers share both. The backward pass multiplies with
    the transposed matrix and neither sorts nor scatters. Weights that are not learned must not be
    changed in place, as the transposed matrix holds a copy of them.

    Args:
        rowptr (Tensor): Row pointers of shape :obj:`[num_rows + 1]`.
        col (Tensor): Column of each entry of shape :obj:`[num_edges]`.
        weight (Tensor): Weight of each entry of shape :obj:`[num_edges]`.
        num_columns (int): The number of columns, i.e. source nodes.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 2], [0, 0, 1]])
        >>> adjacency = Adjacency.from_edge_index(edge_index, size=(3, 2))
        >>> adjacency
        Adjacency(2, 3, num_edges=3)
        >>> adjacency @ torch.tensor([[1.0], [2.0], [4.0]])
        tensor([[3.],
                [4.]])
    """

    def __init__(self, rowptr: Tensor, col: Tensor, weight: Tensor, num_columns: int) -> None:
        super().__init__(rowptr, col, weight, num_columns)
        self.interactions: int | None = None
        """Identifies the interactions for which a transform has made the matrix."""
        self.is_source = False
        """Is set if edges beside the matrix in the data were made from it, and not it from them."""
        self._perm: Tensor | None = None
        self._parts: tuple[Tensor, Tensor] | None = None
        self._transposed: Adjacency | None = None
        self._pattern: Adjacency | None = None

    def apply(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Returns the matrix with a function applied to each array."""
        out = super().apply(function)
        out._perm = out._parts = out._transposed = out._pattern = None
        return out

    @classmethod
    def from_edge_index(
        cls,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> "Adjacency":
        r"""Creates the matrix of edges source -> target.

        Args:
            edge_index (Tensor or EdgeIndex): Edges of shape :obj:`[2, num_edges]`, in any order.
            edge_weight (Tensor, optional): Weights of shape :obj:`[num_edges]`.
                (default: :obj:`None`, all 1)
            size ((int, int), optional): The number of source and of target nodes.
                (default: :obj:`None`, that of an :class:`~torch_geometric.EdgeIndex`)

        Raises:
            ValueError: If the size is unknown, an edge lies outside of it, or the weights do not
                match the edges.
        """
        if edge_index.dim() != 2 or edge_index.size(0) != 2:
            got = list(edge_index.size())
            raise ValueError(f"'edge_index' must have the shape [2, num_edges] (got {got})")
        if edge_index.dtype not in INTEGERS:
            raise ValueError(f"'edge_index' must hold integers (got {edge_index.dtype})")
        num_edges = edge_index.size(1)
        if edge_weight is None:
            edge_weight = torch.ones(num_edges, device=edge_index.device)
        elif edge_weight.size() != (num_edges,):
            shape = tuple(edge_weight.size())
            raise ValueError(f"'edge_weight' must have the shape ({num_edges},) (got {shape})")
        elif not torch.isfinite(edge_weight).all():
            raise ValueError("'edge_weight' must be finite (got NaN or infinity)")
        if isinstance(edge_index, EdgeIndex):
            if edge_index.is_sorted and size in (None, edge_index.sparse_size()):
                return cls._from_sorted(edge_index, edge_weight)
            size = edge_index.sparse_size() if size is None else size
            edge_index = edge_index.as_tensor()
        if size is None or None in size:
            raise ValueError("'size' must be given: the number of source and of target nodes")
        num_sources, num_targets = size
        source, target = edge_index
        check_range("the source nodes of 'edge_index'", source, num_sources)
        check_range("the target nodes of 'edge_index'", target, num_targets)
        perm = torch.argsort(target.long() * num_sources + source, stable=True)
        return cls(index2ptr(target, num_targets), source[perm], edge_weight[perm], num_sources)

    @classmethod
    def _from_sorted(cls, edge_index: EdgeIndex, edge_weight: Tensor) -> "Adjacency":
        # Shares what the edges have cached, in both directions.
        (colptr, source), perm = edge_index.get_csc()
        weight = edge_weight if perm is None else edge_weight[perm]
        out = cls(colptr, source, weight, edge_index.get_sparse_size(0))
        if has_transpose(edge_index) and not edge_weight.requires_grad:
            (rowptr, target), perm = edge_index.get_csr()
            weight = edge_weight if perm is None else edge_weight[perm]
            out._transposed = cls(rowptr, target, weight, edge_index.get_sparse_size(1))
            out._transposed._transposed = out
        return out

    @classmethod
    def from_csr(cls, matrix: Tensor) -> "Adjacency":
        """Creates the matrix from a :class:`torch.sparse_csr_tensor` and shares its arrays.

        Args:
            matrix (Tensor): The matrix of shape :obj:`[num_targets, num_sources]`.
        """
        return cls(matrix.crow_indices(), matrix.col_indices(), matrix.values(), matrix.size(1))

    def t(self) -> "Adjacency":
        """Returns the transposed matrix; its structure is computed once and shared."""
        if self._transposed is None or (self.weight.requires_grad and self._perm is None):
            perm = torch.argsort(self.col, stable=True)
            self._transposed = Adjacency(
                index2ptr(self.col, self.size[1]),
                self.row()[perm],
                self.weight.detach()[perm],
                self.size[0],
            )
            self._transposed._transposed = self
            if self.weight.requires_grad:
                # As large as both matrices, so kept only for weights that change.
                self._perm, self._transposed._perm = perm, torch.empty_like(perm)
                self._transposed._perm[perm] = torch.arange(len(perm), device=perm.device)
        if self._perm is None:
            return self._transposed
        # Learnable weights change, and each use has a gradient of its own.
        out = copy.copy(self._transposed)
        out.weight = self.weight[self._perm]
        return out

    def with_weight(self, weight: Tensor) -> "Adjacency":
        """Returns the matrix with other weights, without their gradient; the structure of the
        transpose is computed once for all of them.

        Args:
            weight (Tensor): The weights of shape :obj:`[num_edges]`, in the order of :obj:`col`.
        """
        if self._pattern is None:
            some = torch.zeros_like(self.weight, dtype=torch.float32, requires_grad=True)
            self._pattern = Adjacency(self.rowptr, self.col, some, self.size[1])
            self._pattern.t()
        out, transposed = copy.copy(self._pattern), copy.copy(self._pattern._transposed)
        assert transposed is not None
        out.weight, transposed.weight = weight.detach(), weight.detach()[out._perm]
        out._transposed, transposed._transposed = transposed, out
        out._perm = transposed._perm = None
        return out

    def prepare(self) -> "Adjacency":
        """Computes what all products and their gradients share, and returns the matrix."""
        for matrix in (self, self.t()):
            if matrix.col.device.type != "cpu":
                matrix._cut()
        return self

    def select_rows(self, index: Tensor) -> "Adjacency":
        """Returns the matrix of the selected rows."""
        begin, count = self.rowptr[index].long(), self.rowptr.diff()[index].long()
        entry, _ = concat_ranges(begin, count)
        return Adjacency(cumsum(count), self.col[entry], self.weight[entry], self.size[1])

    def matmul(self, x: Tensor) -> Tensor:
        """Multiplies the matrix with :obj:`x`; gradients flow to :obj:`x` and to the weights.

        Args:
            x (Tensor): Source node features of shape :obj:`[num_columns, channels]`.

        Raises:
            ValueError: If the number of rows of :obj:`x` is not the number of columns.
        """
        if x.dim() != 2:
            raise ValueError(f"'x' must have two dimensions (got {list(x.size())})")
        if x.size(0) != self.size[1]:
            raise ValueError(f"'x' must have {self.size[1]} rows (got {x.size(0)})")
        if not x.is_floating_point():
            raise ValueError(f"'x' must hold floating-point numbers (got {x.dtype})")
        if not (torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)):
            return self._multiply(x, self.weight)
        out: Tensor = _Propagate.apply(x, self.weight, self)  # type: ignore[no-untyped-call]
        return out

    __matmul__ = matmul

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        if x.device.type == "cpu":
            return sum_rows(x, self.col, self.rowptr, weight)
        return sum_parts(x, self.col, self._cut(), weight)

    def _cut(self) -> tuple[Tensor, Tensor]:
        self._parts = self._parts or cut_rows(self.rowptr, self.col, self.size[1])
        return self._parts


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, adjacency: Adjacency) -> Tensor:
        ctx.adjacency = adjacency
        ctx.save_for_backward(x if weight.requires_grad else None, weight)
        # Detached, or embedding_bag would prepare a backward pass of its own.
        return adjacency._multiply(x.detach(), weight.detach())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        adjacency: Adjacency = ctx.adjacency
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            transposed = adjacency.t()
            if adjacency._perm is not None:
                transposed = copy.copy(transposed)
                transposed.weight = weight[adjacency._perm]
            grad_x = transposed.matmul(grad.contiguous())
        if ctx.needs_input_grad[1]:
            product = x[adjacency.col.long()] * grad[adjacency.row()]
            grad_weight = product.sum(dim=-1).to(weight.dtype)
        return grad_x, grad_weight, None
