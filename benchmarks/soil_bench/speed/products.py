"""Products of libraries that may live in an environment of their own, where only torch is certain.

User-item graphs are propagated in both directions, the others source -> target. Edges are sorted by
target, and each library prepares its caches and its transposed matrix.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Tasks = dict[str, Callable[[], Any]]
Propagate = Callable[..., list[Tensor]]


class Direction(NamedTuple):
    """One product: edges sorted by target, features of the sources, gradient at the targets."""

    edge_index: Tensor
    edge_weight: Tensor
    size: tuple[int, int]
    x: Tensor
    grad: Tensor


class HasDirections(Protocol):
    """A case of several products."""

    @property
    def directions(self) -> list[Direction]:
        """The products to compute."""


class Directions:
    """A graph with features and the gradients of the results.

    Args:
        spec (Graph): The description of the graph.
        tensors (dict[str, Tensor]): The inputs.
    """

    def __init__(self, spec: Any, tensors: dict[str, Tensor]) -> None:
        self.spec = spec
        self.tensors = tensors

    @property
    def directions(self) -> list[Direction]:
        """The products to compute."""
        x, size = self.tensors, (self.spec.num_sources, self.spec.num_targets)
        edges = [(x["edge_index"], x["edge_weight"], size, x["x_source"], x["grad_target"])]
        if self.spec.both_directions:
            reverse = (x["reverse_index"], x["reverse_weight"], size[::-1])
            edges.append((*reverse, x["x_target"], x["grad_source"]))
        return [Direction(*edge) for edge in edges]


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

    @wraps(product)
    def make(library: Any, case: HasDirections) -> Tasks:
        directions = case.directions
        products = [product(library, direction) for direction in directions]
        return torch_tasks(
            lambda *x: [product(features) for product, features in zip(products, x, strict=True)],
            directions,
        )

    return make


@each_direction
def gather_scatter(_: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares message passing along plain edges."""
    from torch_geometric.nn import SimpleConv

    conv, size = SimpleConv(), direction.size
    return lambda x: conv((x, None), direction.edge_index, direction.edge_weight, size)


@each_direction
def torch_scatter(library: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares row pointers for the sums over segments."""
    indptr, source = pointers(direction), direction.edge_index[0]
    weight = direction.edge_weight.view(-1, 1)
    return lambda x: library.segment_csr(weight * x.index_select(0, source), indptr, reduce="sum")


@each_direction
def torch_sparse(library: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a SparseTensor with all caches."""
    source, target = direction.edge_index
    size, weight = direction.size[::-1], direction.edge_weight
    matrix = library.SparseTensor(row=target, col=source, value=weight, sparse_sizes=size)
    matrix.fill_cache_()
    return lambda x: library.matmul(matrix, x, reduce="sum")


@each_direction
def dgl(library: Any, direction: Direction) -> Callable[[Tensor], Tensor]:
    """Prepares a graph with all sparse formats and 32-bit indices."""
    num_sources, num_targets = direction.size
    edges = {("source", "to", "target"): tuple(direction.edge_index.int())}
    sizes = {"source": num_sources, "target": num_targets}
    graph = library.heterograph(edges, num_nodes_dict=sizes)
    graph.create_formats_()
    weight = direction.edge_weight.view(-1, 1)
    return lambda x: library.ops.u_mul_e_sum(graph, x, weight)


def pointers(direction: Direction) -> Tensor:
    """Returns the row pointers of the targets."""
    count = torch.bincount(direction.edge_index[1], minlength=direction.size[1])
    return torch.cat([count.new_zeros(1), count.cumsum(0)])
