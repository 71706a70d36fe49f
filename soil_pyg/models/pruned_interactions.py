"""The interactions that an epoch is trained on."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from soil_pyg.transforms import NormalizeGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, ITEM, USER

PRUNED: EdgeType = (USER, "pruned", ITEM)
"""The interactions of an epoch."""


def draw_edges(weight: Tensor, num_kept: int) -> Tensor:
    """Returns the positions of edges drawn without replacement, with probabilities proportional to
    their weights, from torch's global generator.

    Args:
        weight (Tensor): The weight of each edge, of shape :obj:`[num_edges]`; equal weights make a
            uniform draw.
        num_kept (int): The number of edges to draw.

    Example:
        >>> draw_edges(torch.tensor([0.0, 2.0, 1.0]), 2).sort().values
        tensor([1, 2])
    """
    # The earliest of exponential times are a weighted draw without replacement.
    time = torch.empty_like(weight).exponential_() / weight
    return time.topk(num_kept, largest=False).indices


def prune_interactions(data: HeteroData, kept: Tensor, edge_type: EdgeType = PRUNED) -> None:
    """Adds the graph of some interactions to the data, normalised by the degrees that remain.

    Args:
        data (HeteroData): The data with its interactions, which stay as they are.
        kept (Tensor): The positions of the interactions to keep.
        edge_type (tuple, optional): The edge type of the graph.
            (default: :obj:`("user", "pruned", "item")`)
    """
    data[edge_type].edge_index = data[INTERACTS].edge_index[:, kept]
    NormalizeGraph([edge_type]).forward(data)
    ToAdjacency([edge_type], attr="norm_weight").forward(data)


def trained_interactions(data: HeteroData, training: bool) -> EdgeType:
    """Returns the edge type of the interactions that a model propagates over: in training those of
    the epoch if it has drawn any, else all.
    """
    return PRUNED if training and PRUNED in data.edge_types else INTERACTS
