"""The product of a sparse matrix and node features, forward and backward, in every library.

User-item graphs are propagated in both directions, the others source -> target. Edges are sorted by
target, and each library prepares its caches and its transposed matrix.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import SimpleConv

from soil_bench.speed.contest import Contestant, Tasks
from soil_bench.speed.propagation_cases import CASES, QUICK_CASES, Case, Direction, draw, tiny
from soil_pyg.nn import BipartiteConv, LightConv
from soil_pyg.ops.adjacency import Adjacency

__all__ = ["CASES", "CONTESTANTS", "QUICK_CASES", "Case", "draw", "tiny"]

Propagate = Callable[..., list[Tensor]]


def torch_tasks(propagate: Propagate, directions: list[Direction]) -> Tasks:
    """Returns the forward pass, and forward and backward pass to the features.

    Args:
        propagate (callable): Returns the results of all directions, given their features.
        directions (list[Direction]): The directions.
    """
    x = [direction.x for direction in directions]
    leaves = [features.detach().requires_grad_() for features in x]
    grads = [direction.grad for direction in directions]

    @torch.no_grad()
    def forward() -> list[Tensor]:
        return propagate(*x)

    def backward() -> list[Tensor]:
        return list(torch.autograd.grad(propagate(*leaves), leaves, grads))

    return {"forward": forward, "forward+backward": backward}


def each_direction(product: Callable[[Any, Direction], Callable[[Tensor], Tensor]]) -> Any:
    """Returns the preparation of a case, given that of one product."""

    def make(library: Any, case: Case) -> Tasks:
        directions = case.directions
        products = [product(library, direction) for direction in directions]
        return torch_tasks(
            lambda *x: [product(features) for product, features in zip(products, x, strict=True)],
            directions,
        )

    return make


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


def gather_scatter(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares message passing along plain edges."""
    conv, size = SimpleConv(), direction.size
    return lambda x: conv((x, None), direction.edge_index, direction.edge_weight, size)


def edge_index(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares an EdgeIndex with all caches; rows are targets."""
    # Sorted by column it has no gradient on bipartite graphs, where PyG 2.8 swaps the sizes.
    edges = EdgeIndex(direction.edge_index.flip([0]), sparse_size=direction.size[::-1])
    edges, perm = edges.sort_by("row")
    weight = direction.edge_weight if perm is None else direction.edge_weight[perm]
    edges.fill_cache_()
    return lambda x: edges.matmul(x, weight)


def torch_coo(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a coalesced matrix."""
    index, size = direction.edge_index.flip([0]), direction.size[::-1]
    matrix = torch.sparse_coo_tensor(index, direction.edge_weight, size).coalesce()
    return lambda x: matrix @ x


def torch_csr(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a matrix of compressed rows with 32-bit indices, those of the MKL."""
    matrix = torch.sparse_csr_tensor(
        _pointers(direction).int(),
        direction.edge_index[0].int(),
        direction.edge_weight,
        direction.size[::-1],
    )
    return lambda x: matrix @ x


def torch_scatter(library: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares row pointers for the sums over segments."""
    pointers, source = _pointers(direction), direction.edge_index[0]
    weight = direction.edge_weight.view(-1, 1)
    return lambda x: library.segment_csr(weight * x.index_select(0, source), pointers, reduce="sum")


def torch_sparse(library: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a SparseTensor with all caches."""
    source, target = direction.edge_index
    size, weight = direction.size[::-1], direction.edge_weight
    matrix = library.SparseTensor(row=target, col=source, value=weight, sparse_sizes=size)
    matrix.fill_cache_()
    return lambda x: library.matmul(matrix, x, reduce="sum")


def dgl(library: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a graph with all sparse formats and 32-bit indices."""
    num_sources, num_targets = direction.size
    edges = {("source", "to", "target"): tuple(direction.edge_index.int())}
    sizes = {"source": num_sources, "target": num_targets}
    graph = library.heterograph(edges, num_nodes_dict=sizes)
    graph.create_formats_()
    weight = direction.edge_weight.view(-1, 1)
    return lambda x: library.ops.u_mul_e_sum(graph, x, weight)


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


def _pointers(direction: Direction) -> Tensor:
    count = torch.bincount(direction.edge_index[1], minlength=direction.size[1])
    return torch.cat([count.new_zeros(1), count.cumsum(0)])


CONTESTANTS = [
    Contestant("soil_pyg", "soil_pyg", make_ours),
    Contestant("PyG gather-scatter", "torch_geometric", each_direction(gather_scatter)),
    Contestant("PyG EdgeIndex", "torch_geometric", each_direction(edge_index)),
    Contestant("torch COO", "torch", each_direction(torch_coo)),
    Contestant("torch CSR", "torch", each_direction(torch_csr)),
    Contestant("torch-scatter", "torch_scatter", each_direction(torch_scatter)),
    Contestant("torch-sparse", "torch_sparse", each_direction(torch_sparse)),
    Contestant("DGL", "dgl", each_direction(dgl)),
    Contestant("scipy", "scipy.sparse", scipy, devices=("cpu",)),
]
