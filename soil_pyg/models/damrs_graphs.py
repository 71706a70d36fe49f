import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from torch_geometric.typing import EdgeType
from typing_extensions import Unpack

from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms import ConsistentGraph, CoOccurrenceGraph, NormalizeGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, ITEM, modalities_of
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import count_nodes

BEHAVIOUR: EdgeType = (ITEM, "behaviour", ITEM)
"""The graph of items with the same users."""

MIN_SHARED = 2
"""The number of common users from which two items are linked."""


def consistent(modality: str) -> EdgeType:
    """Returns the edge type of the graph of consistent items of a modality."""
    return (ITEM, f"{modality}_consistent", ITEM)


class DAMRSGraphs(BaseTransform):
    r"""Builds all graphs of :class:`~soil_pyg.models.DAMRS`, symmetrically normalised: the
    user-item graph, for each modality the graph of
    :class:`~soil_pyg.transforms.ConsistentGraph`, and the behaviour graph, which links each item
    with itself and with the items that share the most users, at least two.

    Args:
        k, modalities (optional): See :class:`~soil_pyg.transforms.ConsistentGraph`.
        item_graph_k (int, optional): The number of items in the behaviour graph beside the item
            itself. (default: :obj:`2`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        item_graph_k: int = 2,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_integer("item_graph_k", item_graph_k, 1)
        self.consistent_graph = ConsistentGraph(k, modalities, **search_options)
        self.item_graph_k = item_graph_k

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        data = self.consistent_graph(data)
        budget = self.consistent_graph.search_options.memory_budget
        count_users = CoOccurrenceGraph(self.item_graph_k, memory_budget=budget, node_power=0.0)
        shared = count_users(data)[ITEM, "co_occurrence", ITEM]
        item = torch.arange(count_nodes(data, ITEM), device=shared.edge_index.device)
        linked = shared.edge_index[:, shared.edge_weight >= MIN_SHARED]
        data[BEHAVIOUR].edge_index = torch.cat([linked, item.expand(2, -1)], dim=1)
        modalities = self.consistent_graph.modalities
        names = modalities_of(data) if modalities is None else modalities
        graphs = [INTERACTS, BEHAVIOUR, *map(consistent, names)]
        return Compose([NormalizeGraph(graphs), ToAdjacency(graphs, "norm_weight")])(data)

    def __repr__(self) -> str:
        name, k = self.__class__.__name__, self.consistent_graph.k
        return f"{name}(k={k}, item_graph_k={self.item_graph_k})"
