from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict

from soil_pyg.models import gume_newcomers
from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy, double_features
from soil_pyg.models.graphs import MakeTransform, PairTensor, adjacency, with_graphs
from soil_pyg.models.gume_graphs import LINKED, LINKS, GUMEGraphs
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.mgcn import MGCN
from soil_pyg.models.view_recommender import NO_USERS
from soil_pyg.nn import InfoNCELoss, perturb
from soil_pyg.nn.split_batch import squared_loss
from soil_pyg.typing import USER, Triplets
from soil_pyg.utils.checks import check_at_least, check_greater


class GUME(MGCN):
    r"""Links between alike items and extended interests of users, from the `"GUME: Graphs and User
    Modalities Enhancement for Long-Tail Multimodal Recommendation"
    <https://arxiv.org/abs/2407.12338>`_ paper.

    The content embedding :math:`\mathbf{E}`, the views :math:`\mathbf{V}_m` and their fusion
    :math:`\mathbf{S}` are those of :class:`~soil_pyg.models.MGCN` on a user-item graph with links
    between items, :math:`\hat{y}_{ui} = (\mathbf{e}_u + \mathbf{s}_u)^{\top} (\mathbf{e}_i +
    \mathbf{s}_i)`. For the loss, a table :math:`\mathbf{T}_m` of users is propagated with the views
    of the items:

    .. math::
        \mathbf{X} = \frac{1}{M} \sum_m \mathrm{LightGCN}(\mathbf{T}_m, \mathbf{V}_{m,
        \mathrm{items}})

    Contrasts align :math:`\mathbf{S}` with :math:`\mathbf{E}`, :math:`\mathbf{X}` with
    :math:`\mathbf{S}` for users, and both with themselves under noise. Mean and variance of the
    views of each pair of modalities are brought together. The features are trained.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`3`)
        num_item_layers (int, optional): Layers on the item-item graphs. (default: :obj:`1`)
        reg (float, optional): The weight of the regularisation of the batch's final embeddings.
            (default: :obj:`1e-5`)
        extended_reg (float, optional): The weight of the regularisation of :math:`\mathbf{X}` of
            the batch's positive items. (default: :obj:`0.1`)
        align_weight (float, optional): The weight of the distance between the views.
            (default: :obj:`0.01`)
        bm_weight (float, optional): The weight of the contrast of behaviour and modalities,
            :math:`\mathbf{S}` with :math:`\mathbf{E}`. (default: :obj:`0.01`)
        bm_tau (float, optional): Its temperature. (default: :obj:`0.2`)
        um_weight (float, optional): The weight of the contrasts of the users' modalities.
            (default: :obj:`0.01`)
        um_tau (float, optional): Their temperature. (default: :obj:`0.1`)
        noise (float, optional): The length of the noise that is added to a row in training.
            (default: :obj:`0.1`)
    """

    row_wise = True

    interactions = LINKED

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 3,
        num_item_layers: int = 1,
        reg: float = 1e-5,
        extended_reg: float = 0.1,
        align_weight: float = 0.01,
        bm_weight: float = 0.01,
        bm_tau: float = 0.2,
        um_weight: float = 0.01,
        um_tau: float = 0.1,
        noise: float = 0.1,
    ) -> None:
        weights = {"extended_reg": extended_reg, "align_weight": align_weight}
        weights |= {"bm_weight": bm_weight, "um_weight": um_weight, "noise": noise}
        for name, value in weights.items():
            check_at_least(name, value, 0)
        for name, value in {"bm_tau": bm_tau, "um_tau": um_tau}.items():
            check_greater(name, value, 0)
        super().__init__(
            *(num_users, num_items, in_channels),
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            num_item_layers=num_item_layers,
            reg=reg,
            cl_weight=bm_weight,
            tau=bm_tau,
        )
        self.extended_reg = extended_reg
        self.align_weight = align_weight
        self.um_weight = um_weight
        self.noise = noise
        self.user_contrast = InfoNCELoss(um_tau)
        self.interests = ModuleDict(
            {m: Embedding(num_users, hidden_channels) for m in self.in_channels}
        )
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> GUMEGraphs:
        """Returns :class:`~soil_pyg.models.gume_graphs.GUMEGraphs` with the given options."""
        return GUMEGraphs(**options)

    def reset_parameters(self) -> None:
        """Draws the tables (Xavier uniform), the features and the layers (PyTorch's defaults)."""
        super().reset_parameters()
        for table in self.interests.values():
            torch.nn.init.xavier_uniform_(table.weight)

    def node_parameters(self) -> dict[str, str]:
        """Adds the tables of interests."""
        tables = {f"interests.{modality}.weight": USER for modality in self.in_channels}
        return super().node_parameters() | tables

    def layers(self, data: HeteroData, x: PairTensor) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the embeddings of users and of items by layer."""
        interactions, links = adjacency(data, LINKED), adjacency(data, LINKS)
        layers = [x]
        for _ in range(self.propagation.num_layers):
            user, item = self.propagation.conv(x, interactions)
            x = user, item + self.conv(x[1], links)
            layers.append(x)
        users, items = zip(*layers, strict=True)
        return list(users), list(items)

    def spread(self, data: HeteroData, x: PairTensor) -> PairTensor:
        """Returns the mean over the layers on the user-item graph with links."""
        users, items = self.layers(data, x)
        return _mean(users), _mean(items)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the content embeddings, the views and the extended interests, and the distance
        between the views.
        """
        (user, item), user_views, item_views = self.propagate(data)
        extended = [
            self.spread(data, (self.interests[modality].weight, view))
            for modality, view in zip(self.in_channels, item_views, strict=True)
        ]
        user_interest, item_interest = (_mean(part) for part in zip(*extended, strict=True))
        of_users = [F.embedding(users, x) for x in (user, *user_views, user_interest)]
        views = [torch.cat(view) for view in zip(user_views, item_views, strict=True)]
        distances = [_distance(*pair) for pair in combinations(views, 2)]
        terms = {"align": self.align_weight * torch.stack(distances).sum()} if distances else {}
        return LossTables(of_users, [item, *item_views, item_interest], terms)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the terms of MGCN, those of the interests, and the distance between the views."""
        user_interest, item_interest = tables.user[-1], tables.item[-1]
        views = LossTables(tables.user[:-1], tables.item[:-1])
        terms = super().batch_loss(views, batch)
        reg = squared_loss(self.extended_reg, F.embedding(batch.positive, item_interest))
        side = self.fuse(tables.user[0], tables.user[1:-1])
        pairs = batch.user.expand(2, -1)
        contrast = self.user_contrast(user_interest, side, pairs)
        noise = self.noise if self.training else 0.0
        for x in (side, user_interest):
            noisy = perturb(x, noise), perturb(x, noise)
            contrast = contrast + self.user_contrast(*noisy, pairs)
        return {
            **terms,
            "extended_reg": reg,
            "user_contrast": self.um_weight * contrast,
            **tables.terms,
        }

    new_user_embedder = gume_newcomers.new_user_embedder

    def messages(self, data: HeteroData) -> Tensor:
        """Returns the sum of the embeddings that each item sends over an edge of weight 1."""
        items = self.layers(data, self.tables)[1]
        return _mean([*items[:-1], torch.zeros_like(items[-1])])

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits embeddings into the content and the views, each times its share."""
        data = with_graphs(data, LINKED, make_transform)
        model, hops = double_copy(self), FirstHops(data, LINKED, attr=None)
        own = model.user_embedding.weight / (model.propagation.num_layers + 1)
        content, _, views = model.propagate(double_features(data), NO_USERS)
        view_of = dict(zip(self.in_channels, views, strict=True))
        return Decomposition(content, own, hops, model.messages(data), view_of, hops, model.shares)


def _mean(tables: Sequence[Tensor]) -> Tensor:
    return sum(tables[1:], start=tables[0]) / len(tables)


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return (x.var() - y.var()).abs() + (x.mean() - y.mean()).abs()
