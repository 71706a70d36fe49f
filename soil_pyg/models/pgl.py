from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.typing import EdgeType

from soil_pyg.models import pgl_newcomers
from soil_pyg.models.base import Recommender
from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy, double_features
from soil_pyg.models.freedom import ITEM_ITEM, propagate_items
from soil_pyg.models.graphs import MakeTransform, PairTensor, adjacency, prepared, with_graphs
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.pgl_graphs import MODES, PRINCIPAL, PGLGraphs
from soil_pyg.models.pruned_interactions import (
    draw_edges,
    prune_interactions,
    trained_interactions,
)
from soil_pyg.nn import BPRLoss, FeatureProjection, InfoNCELoss, LightPropagation, TrainedFeatures
from soil_pyg.nn.split_batch import dropout_batch
from soil_pyg.typing import INTERACTS, USER, Triplets
from soil_pyg.utils.checks import (
    check_at_least,
    check_between,
    check_choice,
    check_greater,
    check_integer,
    check_share,
)


class PGL(Recommender):
    r"""Training on the principal part of the user-item graph, from the `"Mind Individual
    Information! Principal Graph Learning for Multimedia Recommendation"
    <https://doi.org/10.1609/aaai.v39i12.33429>`_ paper.

    Items have no embeddings of their own, but their trained features,
    :math:`\mathbf{y}_i = \big\Vert_m \, \mathbf{W}_m \mathbf{x}_{m,i} + \mathbf{b}_m`, each part of
    unit length; users have one table per modality. With :math:`\mathbf{A}` the graph of similar
    items of :class:`~soil_pyg.models.FREEDOM`,

    .. math::
        \mathbf{F}_u = \bar{\mathbf{Y}}_u, \qquad
        \mathbf{F}_i = \bar{\mathbf{Y}}_i + \mathbf{A}^{L} \mathbf{Y}_i, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\bar{\mathbf{Y}}` propagated as in :class:`~soil_pyg.models.LightGCN`: in training
    over the principal graph, else over all interactions. The principal graph is either a share of
    the interactions, which every epoch draws without replacement with probabilities proportional to
    :math:`(|\mathcal{N}_u| |\mathcal{N}_i|)^{-1/2}`, or made of singular vectors, see
    :class:`~soil_pyg.models.pgl_graphs.PGLGraphs`. A contrast of the final embeddings with
    themselves under dropout regularises.

    Args:
        num_users, num_items, in_channels: See :class:`Recommender`.
        hidden_channels (int, optional): The dimension of the embeddings per modality.
            (default: :obj:`64`)
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_item_layers (int, optional): Layers :math:`L` on the item-item graph.
            (default: :obj:`1`)
        mode (str, optional): The principal graph, :obj:`"local"` for drawn interactions or
            :obj:`"global"` for singular vectors; the graphs must be built with the same.
            (default: :obj:`"local"`)
        keep (float, optional): The share of the interactions that an epoch draws.
            (default: :obj:`0.3`)
        dropout (float, optional): The share of the entries that the contrast drops in training.
            (default: :obj:`0.2`)
        reg (float, optional): The weight of the contrast (released: :obj:`0`).
            (default: :obj:`0.05`)
        tau (float, optional): The temperature of the contrast. (default: :obj:`0.2`)
    """

    multimodal = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        mode: str = "local",
        keep: float = 0.3,
        dropout: float = 0.2,
        reg: float = 0.05,
        tau: float = 0.2,
    ) -> None:
        super().__init__(num_users, num_items, in_channels)
        check_integer("hidden_channels", hidden_channels, 1)
        check_integer("num_item_layers", num_item_layers, 0)
        check_choice("mode", mode, MODES)
        check_greater("keep", keep, 0)
        check_between("keep", keep, 0, 1)
        check_share("dropout", dropout)
        check_at_least("reg", reg, 0)
        self.num_item_layers = num_item_layers
        self.mode = mode
        self.keep = keep
        self.dropout = dropout
        self.reg = reg
        sizes, channels = self.in_channels, hidden_channels
        self.users = ModuleDict({m: Embedding(num_users, channels) for m in sizes})
        self.features = ModuleDict({m: TrainedFeatures(num_items, d) for m, d in sizes.items()})
        self.projections = ModuleDict({m: FeatureProjection(d, channels) for m, d in sizes.items()})
        self.propagation = LightPropagation(num_layers)
        self.bpr_loss = BPRLoss()
        self.contrast = InfoNCELoss(tau)
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> PGLGraphs:
        """Returns :class:`~soil_pyg.models.pgl_graphs.PGLGraphs` with the given options."""
        return PGLGraphs(**options)

    def reset_parameters(self) -> None:
        """Draws the tables of users (Xavier uniform) and the projections again and resets the
        features.
        """
        reset(self.features)
        reset(self.projections)
        for table in self.users.values():
            torch.nn.init.xavier_uniform_(table.weight)

    def node_parameters(self) -> dict[str, str]:
        """Adds the tables of users."""
        tables = {f"users.{modality}.weight": USER for modality in self.in_channels}
        return super().node_parameters() | tables

    def tables(self, data: HeteroData) -> PairTensor:
        """Returns the initial embeddings of all users and items, the modalities side by side."""
        users, items = [], []
        for modality in self.in_channels:
            x = self.features[modality](self.item_features(data, modality))
            items.append(F.normalize(self.projections[modality](x)))
            users.append(self.users[modality].weight)
        return torch.cat(users, dim=-1), torch.cat(items, dim=-1)

    def on_epoch_start(self, data: HeteroData) -> None:
        """Draws the interactions of the epoch and adds their graph to the data."""
        if self.mode == "local":
            weight = prepared(data, INTERACTS, "norm_weight").norm_weight
            prune_interactions(data, draw_edges(weight, int(self.keep * len(weight))))

    def propagate(self, data: HeteroData, edge_type: EdgeType) -> PairTensor:
        """Returns the final embeddings of all users and items on one user-item graph."""
        x = self.tables(data)
        user, item = self.propagation(x, adjacency(data, edge_type))
        return user, item + propagate_items(data, x[1], self.num_item_layers)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items, on all interactions."""
        return self.propagate(data, INTERACTS)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final embeddings, in training on the principal graph."""
        edge_type = trained_interactions(data, self.training)
        if self.mode == "global":
            edge_type = PRINCIPAL if self.training else INTERACTS
        user, item = self.propagate(data, edge_type)
        return LossTables([F.embedding(users, user)], [item])

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the contrast."""
        user, positive, negative = tables.triplets(batch)
        # A repeated node drops other entries each time.
        contrast = self._contrast(user) + self._contrast(positive)
        return {
            "bpr": self.bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1)),
            "contrast": self.reg * contrast / 2,
        }

    def _contrast(self, x: Tensor) -> Tensor:
        first, second = (dropout_batch(x, self.dropout, self.training) for _ in range(2))
        loss: Tensor = self.contrast(first, second)
        return loss

    embed_new_items = pgl_newcomers.embed_new_items
    new_user_embedder = pgl_newcomers.new_user_embedder

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embedding of a user by the edges that leave the user."""
        data = with_graphs(data, ITEM_ITEM, make_transform)
        model, data, hops = double_copy(self), double_features(data), FirstHops(data, INTERACTS)
        own, sent = hops.split(model.propagation, model.tables(data))
        return Decomposition(model(data), own, hops, sent)
