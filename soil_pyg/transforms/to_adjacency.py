from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.transforms.edges import check_weight, distinct_edges, held, hold, is_held_as_matrix
from soil_pyg.utils.checks import check_edge_types, check_string
from soil_pyg.utils.data_checks import count_nodes


@functional_transform("to_adjacency")
class ToAdjacency(BaseTransform):
    r"""Adds the edges as an :class:`~soil_pyg.nn.Adjacency` named :obj:`adjacency`, for propagation
    (functional name: :obj:`to_adjacency`). Edges already held as one are left unchanged. Models
    refuse the matrix once the interactions or the number of nodes differ: apply the transform
    again.

    Args:
        edge_types (list[tuple]): The edge types.
        attr (str, optional): The attribute of the weights, which are 1 if the edges lack it.
            (default: :obj:`"edge_weight"`)

    Example:
        >>> import torch
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 1, 2
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0], [0, 1]])
        >>> data = ToAdjacency([("user", "interacts", "item")])(data)
        >>> data["user", "interacts", "item"].adjacency
        Adjacency(2, 1, num_edges=2)
    """

    def __init__(self, edge_types: list[EdgeType], attr: str = "edge_weight") -> None:
        check_edge_types("edge_types", edge_types)
        check_string("attr", attr)
        self.edge_types = edge_types
        self.attr = attr

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the matrices to the data."""
        for edge_type in self.edge_types:
            if is_held_as_matrix(data, edge_type):
                held(data, edge_type)
                continue
            edge_index = distinct_edges(data, edge_type)
            size = count_nodes(data, edge_type[0]), count_nodes(data, edge_type[2])
            weight = check_weight(data, edge_type, self.attr)
            hold(data, edge_type, Adjacency.from_edge_index(edge_index, weight, size))
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.edge_types})"
