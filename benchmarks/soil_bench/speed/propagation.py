"""The product of a sparse matrix and node features, forward and backward, in every library."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from soil_bench.speed.contest import Contestant
from soil_bench.speed.products import (
    Direction,
    Tasks,
    dgl,
    each_direction,
    gather_scatter,
    pointers,
    torch_scatter,
    torch_sparse,
    torch_tasks,
)
from soil_bench.speed.propagation_cases import CASES, QUICK_CASES, Case, draw, tiny
from soil_pyg.nn import BipartiteConv, LightConv
from soil_pyg.ops.adjacency import Adjacency

__all__ = ["CASES", "CONTESTANTS", "QUICK_CASES", "Case", "draw", "tiny"]


def make_ours(_: Any, case: Case) -> Tasks:
    """Prepares one operator, which serves both directions."""
    directions = case.directions
    first = directions[0]
    adjacency = Adjacency.from_edge_index(first.edge_index, first.edge_weight, first.size)
    adjacency.t()
    if len(directions) == 1:
        conv = LightConv()
        return torch_tasks(lambda x: [conv((x, None), adjacency)], directions)
    both = BipartiteConv()
    return torch_tasks(lambda x, y: both((x, y), adjacency)[::-1], directions)


@each_direction
def edge_index(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares an EdgeIndex with all caches; rows are targets."""
    # Sorted by column it has no gradient on bipartite graphs, where PyG 2.8 swaps the sizes.
    edges = EdgeIndex(direction.edge_index.flip([0]), sparse_size=direction.size[::-1])
    edges, perm = edges.sort_by("row")
    weight = direction.edge_weight if perm is None else direction.edge_weight[perm]
    edges.fill_cache_()
    return lambda x: edges.matmul(x, weight)


@each_direction
def torch_coo(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a coalesced matrix."""
    index, size = direction.edge_index.flip([0]), direction.size[::-1]
    matrix = torch.sparse_coo_tensor(index, direction.edge_weight, size).coalesce()
    return lambda x: matrix @ x


@each_direction
def torch_csr(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a matrix of compressed rows with 32-bit indices, those of the MKL."""
    matrix = torch.sparse_csr_tensor(
        pointers(direction).int(),
        direction.edge_index[0].int(),
        direction.edge_weight,
        direction.size[::-1],
    )
    return lambda x: matrix @ x


def scipy(library: Any, case: Case) -> Tasks:
    """Prepares each matrix and its transpose with compressed rows."""
    products, transposed = [], []
    for edge_index, weight, size, x, grad in case.directions:
        entries = (weight.numpy(), edge_index.flip([0]).int().numpy())
        matrix = library.csr_matrix(entries, shape=size[::-1])
        products.append((matrix, x.numpy()))
        transposed.append((matrix.T.tocsr(), grad.numpy()))

    def forward() -> list[Any]:
        return [matrix @ x for matrix, x in products]

    def backward() -> list[Any]:
        forward()
        return [matrix @ grad for matrix, grad in transposed]

    return {"forward": forward, "forward+backward": backward}


CONTESTANTS = [
    Contestant("soil_pyg", "soil_pyg", make_ours),
    Contestant("PyG gather-scatter", "torch_geometric", gather_scatter),
    Contestant("PyG EdgeIndex", "torch_geometric", edge_index),
    Contestant("torch COO", "torch", torch_coo),
    Contestant("torch CSR", "torch", torch_csr),
    Contestant("scipy", "scipy.sparse", scipy, devices=("cpu",)),
    # PyG takes torch-scatter and torch-sparse wherever it can import them.
    Contestant("PyG with torch-scatter", "torch_geometric", gather_scatter, environment="scatter"),
    Contestant("torch-scatter", "torch_scatter", torch_scatter, environment="scatter"),
    Contestant("torch-sparse", "torch_sparse", torch_sparse, environment="scatter"),
    Contestant("DGL", "dgl", dgl, environment="dgl"),
]
