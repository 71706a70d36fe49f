import torch
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.utils.progress import blocks

OVERSAMPLING = 64
"""The number of further vectors that are iterated, so that the wanted ones converge faster."""

ITERATIONS = 40
"""The number of iterations, after which the triples of sparse graphs are exact to about 1e-7."""


def leading_singular_triples(matrix: Adjacency, k: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns the :math:`k` largest singular values of a sparse matrix in descending order with
    their left and right singular vectors as columns, in double precision.

    The subspace of the largest ones is iterated from a fixed start, so that no library of sparse
    decompositions is needed and multiple singular values are found. Which vectors stand for a
    multiple one is arbitrary, but the same each time.

    Args:
        matrix (Adjacency): The matrix.
        k (int): The number of triples, at most the smaller dimension of the matrix.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 1], [0, 1, 2]])
        >>> matrix = Adjacency.from_edge_index(edge_index, size=(2, 3))
        >>> leading_singular_triples(matrix, k=2)[1]
        tensor([1.4142, 1.0000], dtype=torch.float64)
    """
    matrix = Adjacency(matrix.rowptr, matrix.col, matrix.weight.double(), matrix.size[1])
    if matrix.size[0] < matrix.size[1]:
        left, value, right = leading_singular_triples(matrix.t(), k)
        return right, value, left
    generator = torch.Generator().manual_seed(0)
    width = min(k + OVERSAMPLING, matrix.size[1])
    basis = torch.randn(matrix.size[1], width, generator=generator, dtype=torch.float64)
    basis = basis.to(matrix.weight.device)
    threads = torch.get_num_threads()
    # Several threads would round differently, which decides the vectors of multiple values.
    torch.set_num_threads(1)
    try:
        for _ in blocks(ITERATIONS, 1, "finding singular vectors"):
            basis = torch.linalg.qr(matrix.t() @ (matrix @ basis)).Q
        left, value, rotation = torch.linalg.svd(matrix @ basis, full_matrices=False)
    finally:
        torch.set_num_threads(threads)
    return left[:, :k], value[:k], (basis @ rotation.t())[:, :k]
