"""Vectors in single precision, their lengths and samples of them."""

import torch
from torch import Tensor

SAMPLE = 256
"""The number of queries that are also answered exactly, to measure the recall."""


def as_vectors(name: str, x: Tensor, like: Tensor | None = None) -> Tensor:
    """Returns an argument as a contiguous matrix in single precision without a gradient.

    Raises:
        ValueError: If it is no dense and finite matrix of numbers, or has another number of columns
            or another device than :obj:`like`.
    """
    if not isinstance(x, Tensor) or x.dim() != 2 or x.layout != torch.strided or x.is_complex():
        got = tuple(x.size()) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"'{name}' must be a dense matrix of numbers, one row each (got {got})")
    if like is not None and (x.size(1), x.device) != (like.size(1), like.device):
        raise ValueError(
            f"'{name}' must have {like.size(1)} columns on {like.device} "
            f"(got {x.size(1)} on {x.device})"
        )
    x = x.detach().float().contiguous()
    if not torch.isfinite(x).all():
        raise ValueError(f"'{name}' must be finite in single precision (got NaN or infinity)")
    return x


def norms(x: Tensor) -> Tensor:
    """Returns the length of each row in double precision.

    Example:
        >>> norms(torch.tensor([[3.0, 4.0], [3e30, 4e30]]).float())
        tensor([5.0000e+00, 5.0000e+30], dtype=torch.float64)
    """
    norm: Tensor = torch.linalg.vector_norm(x, dim=1).double()
    # The squares of very large or small numbers leave the range of single precision.
    extreme = ~((norm > 1e-15) & (norm < 1e15))
    norm[extreme] = torch.linalg.vector_norm(x[extreme], dim=1, dtype=torch.float64)
    return norm


def sample_of(query: Tensor) -> Tensor:
    """Returns the queries, at most :obj:`SAMPLE`, on which the recall of a search is measured."""
    return query[:: max(1, -(-query.size(0) // SAMPLE))].contiguous()
