"""Graphs: transforms of any :class:`~torch_geometric.data.HeteroData` that has features."""

from soil_pyg.transforms.co_occurrence_graph import CoOccurrenceGraph
from soil_pyg.transforms.consistent_graph import ConsistentGraph
from soil_pyg.transforms.interest_graph import InterestGraph
from soil_pyg.transforms.normalize_graph import NormalizeGraph
from soil_pyg.transforms.second_order_graph import SecondOrderGraph
from soil_pyg.transforms.similarity_graph import SimilarityGraph
from soil_pyg.transforms.sum_graph import SumGraph
from soil_pyg.transforms.to_adjacency import ToAdjacency
from soil_pyg.transforms.user_graph import UserGraph

__all__ = [
    "CoOccurrenceGraph",
    "ConsistentGraph",
    "InterestGraph",
    "NormalizeGraph",
    "SecondOrderGraph",
    "SimilarityGraph",
    "SumGraph",
    "ToAdjacency",
    "UserGraph",
]
