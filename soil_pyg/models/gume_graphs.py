import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import Compose
from torch_geometric.typing import EdgeType

from soil_pyg.models.graphs import features, similar
from soil_pyg.models.mgcn import MGCNGraphs
from soil_pyg.ops.keys import distinct_keys
from soil_pyg.transforms import NormalizeGraph, ToAdjacency
from soil_pyg.transforms.edges import distinct_edges
from soil_pyg.typing import INTERACTS, ITEM, USER
from soil_pyg.utils.data_checks import count_nodes

LINKED: EdgeType = (USER, "linked", ITEM)
"""The interactions, normalised together with the links between items."""

LINKS: EdgeType = (ITEM, "links", ITEM)
"""The links between items that are alike in every modality."""


class GUMEGraphs(MGCNGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.GUME`: the graph of the :math:`k` most similar
    items of each modality, and the user-item graph with links between items,

    .. math::
        \mathbf{L} = \mathrm{sym} \begin{pmatrix} \mathbf{0} & \mathbf{R} \\ \mathbf{R}^{\top} &
        \mathbf{C} \end{pmatrix}

    where :math:`C_{ij} = 1` if item :math:`j \neq i` is among the :math:`k` items most similar to
    :math:`i` in every modality that both have.

    Its options are those of :class:`~soil_pyg.models.graphs.SimilarItemGraphs`.
    """

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        names = self.names(data)
        data = self.similarity_graph(data)
        data[LINKS].edge_index = self.links(data, names)
        graphs = [similar(name) for name in names]
        data = Compose([NormalizeGraph(graphs), ToAdjacency(graphs, "norm_weight")])(data)
        return normalize_linked(data)

    def links(self, data: HeteroData, names: list[str]) -> Tensor:
        """Returns the links neighbour -> item, sorted by item."""
        num_items = count_nodes(data, ITEM)
        edges = [data[similar(name)].edge_index for name in names]
        keys = [item * num_items + neighbour for neighbour, item in edges]
        key, _ = distinct_keys(torch.cat(keys))
        item, neighbour = key // num_items, key % num_items
        keep = item != neighbour
        for name, near in zip(names, keys, strict=True):
            has = features(data, name).ne(0).any(dim=1)
            keep &= torch.isin(key, near) | ~(has[item] & has[neighbour])
        return torch.stack([neighbour[keep], item[keep]])


def normalize_linked(data: HeteroData) -> HeteroData:
    """Adds the matrices of the interactions and of the links, normalised by the degrees in both."""
    interactions, links = distinct_edges(data, INTERACTS), data[LINKS].edge_index
    user = _factor(interactions[0], count_nodes(data, USER))
    item = _factor(torch.cat([interactions[1], links[1]]), count_nodes(data, ITEM))
    data[LINKED].edge_index = interactions
    data[LINKED].edge_weight = user[interactions[0]] * item[interactions[1]]
    data[LINKS].edge_weight = item[links[0]] * item[links[1]]
    return ToAdjacency([LINKED, LINKS])(data)


def _factor(node: Tensor, num_nodes: int) -> Tensor:
    # An item without a row of its own may still be linked by another.
    degree = torch.bincount(node, minlength=num_nodes).double()
    return degree.rsqrt().where(degree > 0, 0.0).float()
