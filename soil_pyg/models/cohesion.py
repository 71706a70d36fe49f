from typing import Any

import torch
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.models.dragon import DRAGONGraphs
from soil_pyg.models.freedom import propagate_items
from soil_pyg.models.graphs import PairTensor, adjacency, prepared
from soil_pyg.models.pruned_interactions import (
    draw_edges,
    prune_interactions,
    trained_interactions,
)
from soil_pyg.models.user_graph_recommender import UserGraphRecommender
from soil_pyg.nn import ModalityEncoder, RefinedPropagation
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_choice, check_integer, check_share


class COHESION(UserGraphRecommender):
    r"""Fuses modalities early, refines what is propagated and fuses late, from the `"COHESION:
    Composite Graph Convolutional Network with Dual-Stage Fusion for Multimodal Recommendation"
    <https://arxiv.org/abs/2504.04452>`_ paper.

    The codes :math:`\mathbf{z}_{i,b}` of :class:`~soil_pyg.nn.ModalityEncoder`, of the embeddings
    :math:`\mathbf{e}_i` of the items and of the features of each modality, are fused with
    :math:`\mathbf{e}_i`. The blocks are propagated by :class:`~soil_pyg.nn.RefinedPropagation`
    and joined; users gather similar users, items gather similar items:

    .. math::
        \mathbf{H}_b &= \mathbf{X}_b + \mathrm{refine}(\mathbf{X}_b), \qquad
        \mathbf{x}_{u,b} = \frac{\mathbf{p}_{u,b}}{\|\mathbf{p}_{u,b}\|}, \qquad
        \mathbf{x}_{i,b} = \frac{\mathbf{y}_{i,b}}{\|\mathbf{y}_{i,b}\|}, \qquad
        \mathbf{y}_{i,b} = \sqrt{\tfrac{1}{2} \left( \mathbf{e}_i^2 + \mathbf{z}_{i,b}^2 \right)}

        \mathbf{R} &= \big\Vert_b \mathbf{H}_b, \qquad
        \mathbf{F}_u = \mathbf{R}_u + \sum_v G_{uv} \mathbf{R}_v, \qquad
        \mathbf{F}_i = \mathbf{R}_i + (\mathbf{A}^{L} \mathbf{R})_i, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    The ranking loss weighs the margin :math:`\Delta_b` of each block by
    :math:`1 - \mathrm{softmax}_b(\Delta)`, which passes no gradient.

    Args:
        num_users, num_items, in_channels, hidden_channels, reg, pad: See
            :class:`UserGraphRecommender`. The weights of users are regularised and not used.
        num_layers (int, optional): Layers on the user-item graph, at least 1. (default: :obj:`2`)
        num_item_layers (int, optional): Layers :math:`L` on the item-item graph.
            (default: :obj:`1`)
        dropout (float, optional): The share of the interactions that an epoch leaves out, drawn as
            in :class:`FREEDOM`. (default: :obj:`0.0`)
        id_gradient (str, optional): :obj:`"trained"` trains the block of the items' embeddings;
            with :obj:`"none"`, as in the released code, it passes no gradient.
            (default: :obj:`"trained"`)
    """

    # The refined propagation is not linear, and leaves users without preferences at zero.
    new_user_embedder = Recommender.new_user_embedder
    decompose = Recommender.decompose

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 1e-3,
        pad: str = "none",
        num_layers: int = 2,
        num_item_layers: int = 1,
        dropout: float = 0.0,
        id_gradient: str = "trained",
    ) -> None:
        super().__init__(
            num_users, num_items, in_channels, hidden_channels=hidden_channels, reg=reg, pad=pad
        )
        check_integer("num_item_layers", num_item_layers, 0)
        check_share("dropout", dropout)
        check_choice("id_gradient", id_gradient, ("none", "trained"))
        self.num_item_layers = num_item_layers
        self.dropout = dropout
        self.id_gradient = id_gradient
        self.item_embedding = Embedding(num_items, hidden_channels)
        self.id_encoder = ModalityEncoder(num_users, hidden_channels, hidden_channels)
        self.propagation = RefinedPropagation(num_layers)
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> DRAGONGraphs:
        """Returns :class:`~soil_pyg.models.dragon.DRAGONGraphs` with the given options."""
        return DRAGONGraphs(**options)

    def reset_parameters(self) -> None:
        """Draws the parameters again (tables: Xavier normal)."""
        super().reset_parameters()
        torch.nn.init.xavier_normal_(self.item_embedding.weight)
        self.id_encoder.reset_parameters()

    def on_epoch_start(self, data: HeteroData) -> None:
        """Draws the copies of similar users and the interactions of the epoch."""
        super().on_epoch_start(data)
        if self.dropout > 0:
            weight = prepared(data, INTERACTS, "norm_weight").norm_weight
            prune_interactions(data, draw_edges(weight, int(len(weight) * (1 - self.dropout))))

    def embed(
        self, data: HeteroData, users: Tensor | None = None, training: bool = False
    ) -> PairTensor:
        """Returns the final embeddings of some users, or of all, and those of all items."""
        graph = adjacency(data, trained_interactions(data, training and self.dropout > 0))
        blocks = [self._block(self.id_encoder, self.item_embedding.weight, graph)]
        if self.id_gradient == "none":
            blocks = [(user.detach(), item.detach()) for user, item in blocks]
        for modality in self.in_channels:
            x = self.item_features(data, modality)
            blocks.append(self._block(self.encoders[modality], x, graph))
        user, item = (torch.cat(side, dim=1) for side in zip(*blocks, strict=True))
        item = item + propagate_items(data, item, self.num_item_layers)
        return self.gather_similar(data, user, users, training), item

    def _block(self, encoder: ModalityEncoder, x: Tensor, graph: Adjacency) -> PairTensor:
        squares = self.item_embedding.weight.square() + encoder.encode(x).square()
        # As released, a root with a finite slope at zero.
        start = encoder.start((squares / 2 + 1e-8).sqrt())
        user, item = self.propagation(start, graph)
        return start[0] + user, start[1] + item

    def rank(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Returns the ranking loss of triplets, whose blocks with a small margin weigh more."""
        num_blocks = len(self.in_channels) + 1
        margin = (user * (positive - negative)).view(len(user), num_blocks, -1).sum(dim=2)
        weight = 1 - margin.detach().softmax(dim=1)
        loss: Tensor = self.bpr_loss((weight * margin).sum(dim=1), margin.new_zeros(len(margin)))
        return loss
