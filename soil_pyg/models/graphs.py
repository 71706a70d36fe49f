"""How models look up the matrices that their transforms prepared."""

from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from soil_pyg.nn import Adjacency


def adjacency(data: HeteroData, edge_type: EdgeType) -> Adjacency:
    """Returns the prepared matrix of an edge type.

    Args:
        data (HeteroData): The data.
        edge_type (tuple): The edge type.

    Raises:
        ValueError: If the data has none, because the model's transform was not applied.
    """
    if edge_type not in data.edge_types or "adj" not in data[edge_type]:
        raise ValueError(
            f"the data has no prepared graph {edge_type}; apply the transform that "
            "'graphs()' of the model's class returns to the data first"
        )
    return data[edge_type].adj
