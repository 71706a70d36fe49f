from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, Linear, ModuleList
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict

from soil_pyg.models.freedom import FREEDOMGraphs, propagate_items
from soil_pyg.models.graphs import PairTensor, adjacency
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.preference_recommender import PreferenceRecommender
from soil_pyg.nn import InfoNCELoss, ModalityEncoder
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_at_least, check_choice, check_integer, check_share


class MENTOR(PreferenceRecommender):
    r"""Aligns modalities under the guidance of item embeddings and masks what is learned, from the
    `"MENTOR: Multi-level Self-supervised Learning for Multimodal Recommendation"
    <https://arxiv.org/abs/2402.19407>`_ paper.

    .. math::
        \mathbf{F}_u = \big\Vert_m w_{um} \mathbf{h}_{u,m}, \qquad
        \mathbf{R}_i = \big\Vert_m \mathbf{h}_{i,m}, \qquad
        \mathbf{F}_i = \mathbf{R}_i + (\mathbf{A}^{L} \mathbf{R})_i, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\mathbf{h}_{\cdot,m}` of :class:`~soil_pyg.nn.ModalityEncoder`, trained weights
    :math:`w_{um}` and the frozen graph :math:`\mathbf{A}` of :class:`FREEDOM`. Three losses over
    all users and all items join the ranking loss:

    - *align*: the differences between the means and between the variances of
      :math:`\mathbf{F}`, of the embeddings of each modality alone, and of those of a trained table
      of the items;
    - *mask_f*: the distance between the embeddings after dropout and a linear map that predicts
      them;
    - *mask_g*: a contrast between two versions of :math:`\mathbf{F}`, whose encoders have
      parameters of their own and add noise after each layer. It compares all users with all users
      and all items with all items.

    Args:
        num_users, num_items, in_channels, hidden_channels, reg: See
            :class:`PreferenceRecommender`.
        num_item_layers (int, optional): Layers :math:`L` on the item-item graph.
            (default: :obj:`1`)
        dropout (float, optional): The share of the entries that *mask_f* drops.
            (default: :obj:`0.5`)
        noise (float, optional): The length of the noise of *mask_g*. (default: :obj:`0.1`)
        tau (float, optional): The temperature of *mask_g*. (default: :obj:`0.2`)
        align_weight (float, optional): The weight of *align*. (default: :obj:`0.1`)
        mask_weight_f (float, optional): The weight of *mask_f*. (default: :obj:`1.5`)
        mask_weight_g (float, optional): The weight of *mask_g*, which is left out if it is 0.
            (default: :obj:`1e-3`)
        mask_gradient (str, optional): :obj:`"trained"` trains *mask_f*; with :obj:`"none"`, as in
            the released code, it passes no gradient. (default: :obj:`"trained"`)
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 1e-3,
        num_item_layers: int = 1,
        dropout: float = 0.5,
        noise: float = 0.1,
        tau: float = 0.2,
        align_weight: float = 0.1,
        mask_weight_f: float = 1.5,
        mask_weight_g: float = 1e-3,
        mask_gradient: str = "trained",
    ) -> None:
        super().__init__(
            num_users, num_items, in_channels, hidden_channels=hidden_channels, reg=reg
        )
        check_integer("num_item_layers", num_item_layers, 0)
        check_share("dropout", dropout)
        check_at_least("noise", noise, 0)
        check_at_least("align_weight", align_weight, 0)
        check_at_least("mask_weight_f", mask_weight_f, 0)
        check_at_least("mask_weight_g", mask_weight_g, 0)
        check_choice("mask_gradient", mask_gradient, ("none", "trained"))
        self.num_item_layers = num_item_layers
        self.dropout = dropout
        self.noise = noise
        self.align_weight = align_weight
        self.mask_weight_f = mask_weight_f
        self.mask_weight_g = mask_weight_g
        self.mask_gradient = mask_gradient
        self.item_embedding = Embedding(num_items, hidden_channels)
        self.id_encoder = ModalityEncoder(num_users, hidden_channels, hidden_channels)
        self.noisy_encoders = ModuleList([self.make_encoders(self.in_channels) for _ in range(2)])
        channels = hidden_channels * len(self.in_channels)
        self.predictor = Linear(channels, channels)
        self.contrast = InfoNCELoss(tau)
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> FREEDOMGraphs:
        """Returns :class:`~soil_pyg.models.freedom.FREEDOMGraphs` with the given options."""
        return FREEDOMGraphs(**options)

    def reset_parameters(self) -> None:
        """Draws the parameters again (tables: Xavier normal)."""
        super().reset_parameters()
        torch.nn.init.xavier_normal_(self.item_embedding.weight)
        for module in (self.id_encoder, self.noisy_encoders, self.predictor):
            reset(module)

    def join(self, data: HeteroData, views: list[PairTensor]) -> PairTensor:
        """Returns the weighted embeddings of all users and those of all items with those of similar
        items, given their embeddings in each modality.
        """
        user_views, item_views = map(list, zip(*views, strict=True))
        item = torch.cat(item_views, dim=1)
        item = item + propagate_items(data, item, self.num_item_layers)
        return self.combine(user_views, self.user_weight.weight), item

    def embed(
        self, data: HeteroData, users: Tensor | None = None, training: bool = False
    ) -> PairTensor:
        """Returns the final embeddings of some users, or of all, and those of all items."""
        user, item = self.join(data, self.encode(data))
        return (user if users is None else F.embedding(users, user)), item

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final embeddings, the preferences of users and the terms over all nodes."""
        views = self.encode(data)
        user, item = self.join(data, views)
        tables = self.make_tables(users, F.embedding(users, user), item)
        tables.terms["align"] = self.align_weight * self._align(data, user, item, views)
        tables.terms["mask_f"] = self.mask_weight_f * self._mask_features(user, item)
        if self.mask_weight_g > 0:
            first, second = (self._noisy(data, encoders) for encoders in self.noisy_encoders)
            contrast = self.contrast(first[0], second[0]) + self.contrast(first[1], second[1])
            tables.terms["mask_g"] = self.mask_weight_g * contrast
        return tables

    def _align(
        self, data: HeteroData, user: Tensor, item: Tensor, views: list[PairTensor]
    ) -> Tensor:
        guide, own = self.id_encoder(self.item_embedding.weight, adjacency(data, INTERACTS))
        guide = guide, own + propagate_items(data, own, self.num_item_layers)
        blocks = [user for user, _ in views], item.chunk(len(views), dim=1)
        # Each of these stands for as many equal blocks as there are modalities.
        copied = [guide, *zip(*blocks, strict=True)]
        moments = [_moments(user, item), *(_moments(*x, copies=len(views)) for x in copied)]
        return torch.stack([(a - b).abs().sum() for a, b in combinations(moments, 2)]).sum()

    def _mask_features(self, user: Tensor, item: Tensor) -> Tensor:
        total = user.new_zeros(())
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.mask_gradient == "trained"):
            for x in (user, item):
                masked = F.dropout(x, self.dropout, self.training)
                total = total + 1 - F.cosine_similarity(masked, self.predictor(x)).mean()
        return total

    def _noisy(self, data: HeteroData, encoders: ModuleDict) -> PairTensor:
        graph, noise = adjacency(data, INTERACTS), self.noise if self.training else 0.0
        features = [self.item_features(data, modality) for modality in self.in_channels]
        views = zip(encoders.values(), features, strict=True)
        return self.join(data, [encoder(x, graph, noise=noise) for encoder, x in views])


def _moments(user: Tensor, item: Tensor, copies: int = 1) -> Tensor:
    # The mean and the unbiased variance of all entries, each of which occurs several times.
    x = torch.cat([user.flatten(), item.flatten()])
    mean = x.mean()
    variance = copies * (x - mean).square().sum() / (copies * x.numel() - 1)
    return torch.stack([mean, variance])
