"""The first look at data with node and edge types, which adds nothing to it."""

import reprlib

from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType


def check_hetero(data: object) -> None:
    """Raises :class:`ValueError` unless the data is :class:`~torch_geometric.data.HeteroData`."""
    if not isinstance(data, HeteroData):
        raise ValueError(
            f"'data' must be HeteroData with users and items (got {reprlib.repr(data)}): PyG's "
            "'to_heterogeneous' splits a graph by the types of its nodes"
        )


def has_edges(data: HeteroData, edge_type: EdgeType, attr: str = "edge_index") -> bool:
    """Returns whether the data has an attribute of an edge type, or raises :class:`ValueError` if
    it is homogeneous.
    """
    check_hetero(data)
    # Looking up a type that the data lacks would add it.
    return edge_type in data.edge_types and attr in data[edge_type]
