"""Checks of the inputs of convolutions: features, edges in any form, weights and sizes."""

import reprlib

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, PairTensor, Size
from torch_geometric.utils import is_sparse

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.compressed_rows import INTEGERS
from soil_pyg.ops.from_sparse import from_sparse
from soil_pyg.ops.index_range import check_range
from soil_pyg.utils.remember import remember


def check_pair(x: Tensor | OptPairTensor) -> OptPairTensor:
    """Returns features of sources and of targets, which are the same for a single tensor, or raises
    :class:`ValueError` unless they are floating-point numbers.
    """
    pair = (x, x) if isinstance(x, Tensor) else x
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Tensor):
        raise ValueError(f"'x' must be a tensor or a pair of tensors (got {reprlib.repr(x)})")
    for features in pair:
        if features is not None and (features.dim() < 2 or not features.is_floating_point()):
            raise ValueError(
                f"'x' must have the shape [num_nodes, channels] and hold floating-point numbers "
                f"(got {list(features.size())}, {features.dtype})"
            )
    return pair[0], pair[1]


def check_both(x: PairTensor) -> PairTensor:
    """Returns features of sources and of targets, or raises :class:`ValueError` without both."""
    source, target = check_pair(x)
    if isinstance(x, Tensor) or target is None:
        raise ValueError("'x' must be a pair of tensors, those of the sources and of the targets")
    return source, target


def is_matrix(edge_index: Adj | Adjacency) -> bool:
    """Returns whether edges are given as a matrix and not as their indices."""
    return not isinstance(edge_index, Tensor) or edge_index.layout != torch.strided


def to_matrix(edge_index: Adj | Adjacency, edge_weight: OptTensor) -> Adjacency:
    """Returns the edges of a matrix of any kind, which holds their weights."""
    if edge_weight is not None:
        raise ValueError("'edge_weight' must be None for a matrix, which holds the weights")
    if isinstance(edge_index, Adjacency):
        return edge_index
    if not is_sparse(edge_index) and not isinstance(edge_index, Tensor):
        raise ValueError(
            f"'edge_index' must be a tensor, a sparse matrix or an Adjacency "
            f"(got {reprlib.repr(edge_index)})"
        )
    return from_sparse(edge_index)


def check_size(matrix: Adjacency, x: OptPairTensor, size: Size) -> None:
    """Raises :class:`ValueError` unless the matrix has the given size and that of the targets."""
    num_targets = matrix.size[0]
    if size is not None and (size[1], size[0]) != matrix.size:
        raise ValueError(f"'size' must be {matrix.size[::-1]}, that of the matrix (got {size})")
    if x[1] is not None and x[1] is not x[0] and x[1].size(0) != num_targets:
        raise ValueError(f"'x' must have {num_targets} target rows (got {x[1].size(0)})")


def check_weight(edge_index: Tensor, edge_weight: OptTensor) -> OptTensor:
    """Returns the weights as a vector, or raises :class:`ValueError` unless each edge has one."""
    num_edges = edge_index.size(-1)
    if edge_weight is None or edge_weight.size() == (num_edges,):
        return edge_weight
    if edge_weight.size() == (num_edges, 1):
        return edge_weight.squeeze(1)
    shape = list(edge_weight.size())
    raise ValueError(f"'edge_weight' must have the shape [{num_edges}] (got {shape})")


def check_edges(edge_index: Tensor, x: OptPairTensor, size: Size) -> None:
    """Raises :class:`ValueError` unless all edges link nodes that have features, or are counted by
    the size.
    """
    if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.dtype not in INTEGERS:
        raise ValueError(
            f"'edge_index' must be integers of shape [2, num_edges] "
            f"(got {list(edge_index.size())}, {edge_index.dtype})"
        )
    num_sources = x[0].size(-2)
    num_targets = None if x[1] is None else x[1].size(-2)
    for name, given, found in zip(
        ("source", "target"), size or (None, None), (num_sources, num_targets), strict=True
    ):
        if given is not None and found is not None and given != found:
            raise ValueError(f"'size' must have {found} {name} nodes, as 'x' does (got {given})")
    num_targets = size[1] if num_targets is None and size is not None else num_targets

    def check() -> None:
        plain = edge_index.as_tensor() if isinstance(edge_index, EdgeIndex) else edge_index
        check_range("the source nodes of 'edge_index'", plain[0], num_sources)
        check_range("the target nodes of 'edge_index'", plain[1], num_targets)

    remember(edge_index, ("layer", num_sources, num_targets), check)
