"""How models look up features, and the graphs that their transforms prepared."""

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage
from torch_geometric.typing import EdgeType

from soil_pyg.nn import Adjacency
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of


def similar(modality: str) -> EdgeType:
    """Returns the edge type of the graph of similar items of a modality."""
    return (ITEM, f"{modality}_similar", ITEM)


def features(data: HeteroData, modality: str) -> Tensor:
    """Returns the items' features of a modality.

    Args:
        data (HeteroData): The data.
        modality (str): The name of the modality.

    Raises:
        ValueError: If the items have no such features.
    """
    present = modalities_of(data)
    if modality not in present:
        raise ValueError(f"'in_channels' names {modality!r}, but the data has {present}")
    return data[ITEM][FEATURE_PREFIX + modality]


def prepared(data: HeteroData, edge_type: EdgeType, attr: str) -> EdgeStorage:
    """Returns what the data holds for an edge type.

    Args:
        data (HeteroData): The data.
        edge_type (tuple): The edge type.
        attr (str): The attribute that the transform of the model adds.

    Raises:
        ValueError: If there is none, because the model's transform was not applied.
    """
    if edge_type not in data.edge_types or attr not in data[edge_type]:
        raise ValueError(
            f"the data has no prepared graph {edge_type}; apply the transform that "
            "'graphs()' of the model's class returns to the data first"
        )
    return data[edge_type]


def adjacency(data: HeteroData, edge_type: EdgeType) -> Adjacency:
    """Returns the prepared matrix of an edge type.

    Args:
        data (HeteroData): The data.
        edge_type (tuple): The edge type.

    Raises:
        ValueError: If the data has none, because the model's transform was not applied.
    """
    return prepared(data, edge_type, "adj").adj
