"""Access to the edges in the data: each edge once, as :obj:`edge_index` or as a prepared matrix."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage
from torch_geometric.typing import EdgeType

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.keys import group_keys
from soil_pyg.ops.ragged import budget_blocks
from soil_pyg.typing import EDGE_INDICES, INTERACTS
from soil_pyg.utils.data_checks import check_edges, count_nodes, digest_edges
from soil_pyg.utils.hetero import has_edges
from soil_pyg.utils.remember import remember

EDGES_AT_ONCE = 2**22
"""The number of edges per block in which compressed edges are unpacked, and up to which a matrix is
accompanied by its edges: PyG's loaders read them, but they take twice the memory of the matrix.
"""


def distinct_edges(data: HeteroData, edge_type: EdgeType) -> Tensor:
    """Removes repeated edges of a type from the data and returns the distinct ones.

    The first occurrence of a repeated edge stays in the data, with its attributes.

    Raises:
        ValueError: See :func:`~soil_pyg.utils.data_checks.check_edges`; or if a repeated edge has
            weights.
    """
    edge_index, store = check_edges(data, edge_type), data[edge_type]
    num_targets = count_nodes(data, edge_type[2])
    kept = remember(
        store.edge_index, "distinct", lambda: _first_occurrences(edge_index, num_targets)
    )
    if kept is None:
        return edge_index
    if "edge_weight" in store:
        raise ValueError(
            f"'edge_index' of {edge_type} repeats an edge, and 'edge_weight' leaves open which "
            "weight counts: merge repeated edges first, e.g. by torch_geometric.utils.coalesce"
        )
    num_edges = edge_index.size(1)
    for name, value in store.items():
        if isinstance(value, Tensor) and name not in EDGE_INDICES and value.dim() > 0:
            dim = data.__cat_dim__(name, value, store)
            if value.size(dim) == num_edges:
                store[name] = value.index_select(dim, kept)
    store.edge_index = edge_index[:, kept]
    return check_edges(data, edge_type)


def _first_occurrences(edge_index: Tensor, num_targets: int) -> Tensor | None:
    # The positions of the first occurrence of each edge, None if no edge is repeated.
    source, target = edge_index
    if _ascends(source, target) or _ascends(target, source):
        return None
    key = source * num_targets + target
    distinct, inverse = group_keys(key)
    if distinct.numel() == key.numel():
        return None
    position = torch.arange(key.numel(), device=key.device)
    first = torch.full_like(distinct, key.numel())
    return first.scatter_reduce_(0, inverse, position, "amin").sort().values


def _ascends(major: Tensor, minor: Tensor) -> bool:
    ascends = minor[1:] > minor[:-1]
    ascends &= major[1:] == major[:-1]
    ascends |= major[1:] > major[:-1]
    return bool(ascends.all())


def check_weight(data: HeteroData, edge_type: EdgeType, attr: str) -> Tensor | None:
    """Returns the weights of edges, :obj:`None` if the data has none, or raises
    :class:`ValueError` unless they are one finite number per edge.
    """
    weight = data[edge_type].get(attr)
    if weight is None:
        return None
    num_edges = count_edges(data, edge_type)
    if not isinstance(weight, Tensor) or weight.size() != (num_edges,):
        got = list(weight.size()) if isinstance(weight, Tensor) else repr(weight)
        raise ValueError(f"'{attr}' of {edge_type} must have the shape [{num_edges}] (got {got})")
    if weight.device.type != "meta" and not remember(
        weight, "finite", lambda: bool(torch.isfinite(weight).all())
    ):
        raise ValueError(f"'{attr}' of {edge_type} must be finite (got NaN or infinity)")
    return weight


def hold(data: HeteroData, edge_type: EdgeType, matrix: Adjacency, is_source: bool = False) -> None:
    """Adds a matrix to the data as :obj:`adjacency`, with the interactions that it was made for.

    A matrix that is the source of its edges is accompanied by them, unless there are too many.
    """
    if has_edges(data, INTERACTS):
        distinct_edges(data, INTERACTS)
    matrix.interactions = digest_edges(data)
    store = data[edge_type]
    has_own = "edge_index" in store and not is_held_as_matrix(data, edge_type)
    store.adjacency, matrix.is_source = matrix, is_source and not has_own
    if matrix.is_source:
        few = matrix.col.numel() <= EDGES_AT_ONCE
        store.edge_index = torch.stack([matrix.col.long(), matrix.row()]) if few else None
        store.edge_weight = matrix.weight if few else None


def held(data: HeteroData, edge_type: EdgeType) -> Adjacency:
    """Returns the matrix of an edge type, or raises :class:`ValueError` if it was made for other
    nodes or interactions than the data has.

    PyG keeps the matrix when it samples, joins or splits data, as it does not know its rows.
    """
    matrix = data[edge_type].adjacency
    again = "apply the transform that made it, such as 'graph_transform()' of a model, again"
    if not isinstance(matrix, Adjacency):
        raise ValueError(
            f"the graph {edge_type} is no matrix of this data (got {matrix!r}): {again}"
        )
    if torch.compiler.is_compiling():
        return matrix
    size = tuple(count_nodes(data, edge_type[end]) for end in (2, 0))
    if matrix.size != size:
        raise ValueError(
            f"the graph {edge_type} was made for {matrix.size[1]} and {matrix.size[0]} nodes, the "
            f"data has {size[1]} and {size[0]}: {again}"
        )
    if matrix.interactions is not None and digest_edges(data) not in (None, matrix.interactions):
        raise ValueError(
            f"the graph {edge_type} was made for other edges {INTERACTS}, or another order of "
            f"them: {again}"
        )
    if matrix.is_source and not _has_edges_of(data[edge_type], matrix):
        raise ValueError(f"the edges of the graph {edge_type} are not those of its matrix: {again}")
    return matrix


def _has_edges_of(store: EdgeStorage, matrix: Adjacency) -> bool:
    # PyG may have filtered or sorted the edges, and changed or kept their weights.
    edges, weight = store.get("edge_index"), store.get("edge_weight")
    if edges is None or edges.device.type == "meta":
        return True
    if weight is None or edges.size(1) != matrix.col.numel():
        return False
    same = remember(
        edges,
        ("matrix", id(matrix.col)),
        lambda: edges[0].equal(matrix.col.long()) and edges[1].equal(matrix.row()),
    )
    return same and (weight is matrix.weight or weight.equal(matrix.weight))


def is_held_as_matrix(data: HeteroData, edge_type: EdgeType) -> bool:
    """Returns whether :obj:`adjacency` is the source of the edges, and not :obj:`edge_index`."""
    if not has_edges(data, edge_type, "adjacency"):
        return False
    store = data[edge_type]
    return "edge_index" not in store or getattr(store.adjacency, "is_source", False)


def count_edges(data: HeteroData, edge_type: EdgeType) -> int:
    """Returns the number of edges of a type, held as :obj:`edge_index` or as :obj:`adjacency`."""
    if is_held_as_matrix(data, edge_type):
        return int(held(data, edge_type).col.numel())
    return distinct_edges(data, edge_type).size(1)


def edge_blocks(
    data: HeteroData, edge_type: EdgeType, attr: str | None = "edge_weight"
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yields the edges of a type in blocks: positions, sources, targets and weights.

    Edges may be held as :obj:`edge_index` or :obj:`adjacency`. The weights are 1 if :obj:`attr` is
    :obj:`None` or neither the edges nor the matrix have them.
    """
    if not is_held_as_matrix(data, edge_type):
        source, target = distinct_edges(data, edge_type)
        weight = None if attr is None else check_weight(data, edge_type, attr)
        if weight is None:
            weight = torch.ones(source.numel(), device=source.device)
        yield slice(0, source.numel()), source, target, weight
        return
    adjacency = held(data, edge_type)
    weight = torch.ones_like(adjacency.weight)
    if attr is not None:
        found = check_weight(data, edge_type, attr)
        weight = adjacency.weight if found is None else found
    for rows in budget_blocks(adjacency.rowptr.diff().long(), EDGES_AT_ONCE):
        edges = slice(int(adjacency.rowptr[rows.start]), int(adjacency.rowptr[rows.stop]))
        count = adjacency.rowptr[rows.start : rows.stop + 1].diff().long()
        target = torch.arange(rows.start, rows.stop, device=count.device).repeat_interleave(count)
        yield edges, adjacency.col[edges].long(), target, weight[edges]
