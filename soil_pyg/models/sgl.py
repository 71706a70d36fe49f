import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from soil_pyg.models.batch_nodes import distinct
from soil_pyg.models.graphs import PairTensor, adjacency, prepared
from soil_pyg.models.lightgcn import LightGCN
from soil_pyg.models.pruned_interactions import draw_edges, prune_interactions
from soil_pyg.nn import InfoNCELoss
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets
from soil_pyg.utils.checks import check_at_least, check_choice, check_share

AUGMENTATIONS = ("edge_dropout", "node_dropout", "random_walk")


def view_graph(view: int, layer: int = 0) -> EdgeType:
    """Returns the edge type of the interactions that a layer of a view propagates over."""
    return (USER, f"view_{view}_layer_{layer}", ITEM)


class SGL(LightGCN):
    r"""Contrast between views of the user-item graph, from the `"Self-supervised Graph Learning for
    Recommendation" <https://arxiv.org/abs/2010.10783>`_ paper.

    The embeddings, the ranking loss and the regularisation are those of :class:`LightGCN`. Every
    epoch draws two views of the graph, whose embeddings are :math:`\mathbf{Z}^{\prime}` and
    :math:`\mathbf{Z}^{\prime\prime}`. The contrast

    .. math::
        \mathcal{L} = - \frac{1}{B} \sum_{u} \log \frac{\exp(\cos(\mathbf{z}^{\prime}_u,
        \mathbf{z}^{\prime\prime}_u) / \tau)}{\sum_{v \in \mathcal{U}} \exp(\cos(
        \mathbf{z}^{\prime}_u, \mathbf{z}^{\prime\prime}_v) / \tau)}

    over the :math:`B` users of a batch, and the same over its positive items, compares a node with
    all nodes of its type, in blocks. The degrees of a view are those of its own edges.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): The number of layers. (default: :obj:`3`)
        reg (float, optional): The weight of the regularisation of the batch's initial embeddings.
            (default: :obj:`1e-4`)
        augmentation (str, optional): What a view leaves out: :obj:`"edge_dropout"` interactions,
            :obj:`"node_dropout"` users and items with their interactions, :obj:`"random_walk"`
            other interactions in every layer. (default: :obj:`"edge_dropout"`)
        dropout (float, optional): The share that a view leaves out. (default: :obj:`0.1`)
        cl_weight (float, optional): The weight of the contrast. (default: :obj:`0.1`)
        tau (float, optional): The temperature :math:`\tau`. (default: :obj:`0.2`)
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 3,
        reg: float = 1e-4,
        augmentation: str = "edge_dropout",
        dropout: float = 0.1,
        cl_weight: float = 0.1,
        tau: float = 0.2,
    ) -> None:
        super().__init__(
            *(num_users, num_items, in_channels),
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            reg=reg,
        )
        check_choice("augmentation", augmentation, AUGMENTATIONS)
        check_share("dropout", dropout)
        check_at_least("cl_weight", cl_weight, 0)
        self.augmentation = augmentation
        self.dropout = dropout
        self.cl_weight = cl_weight
        self.contrast = InfoNCELoss(tau)

    def on_epoch_start(self, data: HeteroData) -> None:
        """Draws the views of the epoch and adds their graphs to the data."""
        if self.dropout == 0:
            return
        weight = prepared(data, INTERACTS, "norm_weight").norm_weight
        num_graphs = self.propagation.num_layers if self.augmentation == "random_walk" else 1
        for view in range(2):
            for layer in range(num_graphs):
                kept = self._draw(data[INTERACTS].edge_index, weight)
                prune_interactions(data, kept, view_graph(view, layer))

    def _draw(self, edge_index: Tensor, weight: Tensor) -> Tensor:
        """Returns the positions of the interactions in a view."""
        if self.augmentation != "node_dropout":
            return self._kept(weight, len(weight))
        stays = []
        for nodes, size in zip(edge_index, (self.num_users, self.num_items), strict=True):
            is_kept = torch.zeros(size, dtype=torch.bool, device=nodes.device)
            is_kept[self._kept(weight, size)] = True
            stays.append(is_kept[nodes])
        return (stays[0] & stays[1]).nonzero().view(-1)

    def _kept(self, weight: Tensor, size: int) -> Tensor:
        return draw_edges(weight.new_ones(size), round(size * (1 - self.dropout)))

    def view(self, data: HeteroData, view: int) -> PairTensor:
        """Returns the embeddings of users and of items on a view: in training the one of the epoch
        if it has drawn any, else the whole graph.
        """
        x, num_layers = self.tables, self.propagation.num_layers
        user, item = x
        is_drawn = self.training and self.dropout > 0 and view_graph(view) in data.edge_types
        for layer in range(num_layers):
            number = layer if self.augmentation == "random_walk" else 0
            graph = view_graph(view, number) if is_drawn else INTERACTS
            x = self.propagation.conv(x, adjacency(data, graph))
            user, item = user + x[0], item + x[1]
        return user / (num_layers + 1), item / (num_layers + 1)

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss, the regularisation and the contrast."""
        terms = super().loss(data, batch)
        first, second = (self.view(data, view) for view in range(2))
        contrast = self._contrast(batch.user, first[0], second[0])
        contrast = contrast + self._contrast(batch.positive, first[1], second[1])
        return {**terms, "contrast": self.cl_weight * contrast}

    def _contrast(self, index: Tensor, first: Tensor, second: Tensor) -> Tensor:
        nodes, row = distinct(index)
        query, pairs = F.embedding(nodes, first), torch.stack([row, index])
        loss: Tensor = self.contrast(query, second, pairs, second.new_ones(len(second)))
        return loss
