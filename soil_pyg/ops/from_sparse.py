import torch
from torch import Tensor
from torch_geometric.typing import SparseTensor

from soil_pyg.ops.adjacency import Adjacency

LAYOUTS = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc)
"""The layouts of sparse matrices without blocks."""


def from_sparse(matrix: Tensor | SparseTensor) -> Adjacency:
    r"""Creates an :class:`~soil_pyg.nn.Adjacency` from a sparse matrix of any layout without
    blocks. Repeated entries of a COO matrix are added up.

    Args:
        matrix (Tensor or SparseTensor): The matrix of shape :obj:`[num_targets, num_sources]`.

    Raises:
        ValueError: If the matrix has blocks or other than two dimensions.

    Example:
        >>> from_sparse(torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse_csr()).to_dense()
        tensor([[0., 2.],
                [3., 0.]])
    """
    if not isinstance(matrix, Tensor):
        rowptr, col, value = matrix.csr()
        value = torch.ones(col.numel(), device=col.device) if value is None else value
        return Adjacency(rowptr, col, value, matrix.sparse_size(1))
    if matrix.layout not in LAYOUTS or matrix.dim() != 2 or matrix.dense_dim() > 0:
        raise ValueError(
            f"'edge_index' must be a matrix with a layout of {', '.join(map(str, LAYOUTS))} "
            f"(got {matrix.layout} of shape {list(matrix.size())})"
        )
    if matrix.layout == torch.sparse_csr:
        return Adjacency.from_csr(matrix)
    if matrix.layout == torch.sparse_csc:
        ccol, row, value = matrix.ccol_indices(), matrix.row_indices(), matrix.values()
        return Adjacency(ccol, row, value, matrix.size(0)).t()
    matrix = matrix.coalesce()
    size = matrix.size(1), matrix.size(0)
    return Adjacency.from_edge_index(matrix.indices().flip(0), matrix.values(), size)
