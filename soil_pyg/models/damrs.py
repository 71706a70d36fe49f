from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from torch_geometric.data import HeteroData

from soil_pyg.models.damrs_graphs import BEHAVIOUR, DAMRSGraphs, consistent
from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import MakeTransform, PairTensor, adjacency, with_graphs
from soil_pyg.models.newcomers import NewUserEmbedder, fold_users, messages
from soil_pyg.nn import LightConv, LightPropagation, NeighbourLoss
from soil_pyg.nn.split_batch import gather_batch
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least, check_integer

BLOCK_PAIRS = 2**21
"""The number of pairs of a user and an item that are compared at a time."""


class DAMRS(EmbeddingRecommender):
    r"""Denoised graphs of items and a denoised ranking loss on
    :class:`~soil_pyg.models.LightGCN`, from the `"Improving Multi-modal Recommender Systems by
    Denoising and Aligning Multi-modal Content and User Feedback"
    <https://arxiv.org/abs/2406.12501>`_ paper.

    With :math:`\mathbf{A}`, :math:`\mathbf{B}` the propagated embeddings of users and items and
    :math:`\mathbf{H}_x` the initial embeddings of the items after :math:`L` layers on the graph of
    a view :math:`x`, which is a modality or the behaviour of users,

    .. math::
        \hat{y}_{ui} = \mathbf{a}_u^{\top} (\mathbf{b}_i + \bar{\mathbf{h}}_i), \qquad
        \bar{\mathbf{H}} = \frac{1}{M + 1} \sum_x \mathbf{H}_x

    The features serve the graphs alone. The loss ranks a pair as observed as far as the views
    agree on it, and the other way round as far as they favour the negative item; see
    :meth:`confidence`. It aligns the views with :math:`\mathbf{B}` by their preferences, and with
    each other by :class:`~soil_pyg.nn.NeighbourLoss`.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_item_layers (int, optional): Layers :math:`L` on the item-item graphs.
            (default: :obj:`1`)
        kl_weight (float, optional): The weight of the divergence between the preferences by views
            and by interactions. (default: :obj:`1.0`)
        neighbour_weight (float, optional): The weight of the loss of neighbours.
            (default: :obj:`1e-3`)
        num_neighbours (int, optional): The number of items in both of its sets.
            (default: :obj:`10`)
        tau (float, optional): Its temperature. (default: :obj:`0.2`)
    """

    multimodal = True
    row_wise = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        kl_weight: float = 1.0,
        neighbour_weight: float = 1e-3,
        num_neighbours: int = 10,
        tau: float = 0.2,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_item_layers", num_item_layers, 0)
        check_at_least("kl_weight", kl_weight, 0)
        check_at_least("neighbour_weight", neighbour_weight, 0)
        check_integer("num_neighbours", num_neighbours, 1)
        self.num_item_layers = num_item_layers
        self.kl_weight = kl_weight
        self.neighbour_weight = neighbour_weight
        self.propagation = LightPropagation(num_layers)
        self.conv = LightConv()
        self.neighbour_loss = NeighbourLoss(num_neighbours, tau)

    @classmethod
    def graph_transform(cls, **options: Any) -> DAMRSGraphs:
        """Returns :class:`~soil_pyg.models.damrs_graphs.DAMRSGraphs` with the given options."""
        return DAMRSGraphs(**options)

    def propagate(self, data: HeteroData) -> tuple[PairTensor, list[Tensor]]:
        """Returns the propagated embeddings of users and of items, and the views of the items, the
        behaviour last.
        """
        user, item = self.propagation(self.tables, adjacency(data, INTERACTS))
        views = []
        for modality in self.in_channels:
            # Only checks that the data still has what the graph was made of.
            self.item_features(data, modality)
        for edge_type in (*map(consistent, self.in_channels), BEHAVIOUR):
            view = self.item_embedding.weight
            for _ in range(self.num_item_layers):
                view = self.conv(view, adjacency(data, edge_type))
            views.append(view)
        return (user, item), views

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        (user, item), views = self.propagate(data)
        return user, item + torch.stack(views).mean(dim=0)

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the denoised ranking loss and, unless their weights are 0, the divergence and the
        loss of neighbours.
        """
        (user, item), views = self.propagate(data)
        mean = torch.stack(views).mean(dim=0)
        # The terms over distinct nodes cannot be split: each process computes the whole loss.
        batch = Triplets(*(gather_batch(x) for x in batch))
        query = F.embedding(batch.user, user)
        better, worse = (F.embedding(x, item) + F.embedding(x, mean) for x in batch[1:])
        margin = (query * (better - worse)).sum(dim=-1)
        right, wrong = self.confidence(query, views, batch)
        bpr = right * F.logsigmoid(margin) + wrong * F.logsigmoid(-margin)
        terms = {"bpr": -gather_batch(bpr).mean()}
        items = torch.unique(gather_batch(torch.cat(batch[1:])))
        # Comparing pairs takes most of a step.
        if self.kl_weight > 0:
            users = torch.unique(gather_batch(batch.user))
            sides = [F.normalize(F.embedding(items, x)) for x in (item, mean)]
            terms["kl"] = self.kl_weight * _divergence(F.embedding(users, user), *sides)
        if self.neighbour_weight > 0:
            terms["neighbour"] = self.neighbour_weight * self.neighbour_loss(views, items)
        return terms

    @torch.no_grad()
    def confidence(
        self, query: Tensor, views: list[Tensor], batch: Triplets
    ) -> tuple[Tensor, Tensor]:
        r"""Returns the confidence of each triplet :math:`(u, i, j)` that its pair is a preference,
        and that it is none, in :math:`[0, 1]`.

        With the preference :math:`r_x(u, i) = \sigma(\mathbf{a}_u^{\top} \mathbf{h}_{x,i} /
        \|\mathbf{h}_{x,i}\|)`, they are :math:`\mu \, e^{-2 \nu}` of its mean :math:`\mu` and
        variance :math:`\nu` over the views, and the excess of its maximum over :math:`n` where
        :math:`\mu < n`, the mean of :math:`r_x(u, j)` over the views and the batch.
        """
        observed, drawn = (
            torch.stack(
                [(query * F.normalize(F.embedding(x, view))).sum(dim=-1) for view in views]
            ).sigmoid()
            for x in batch[1:]
        )
        mean, bar = observed.mean(dim=0), gather_batch(drawn.t()).mean()
        excess = (observed.amax(dim=0) - bar).clamp(0, 1)
        right = (mean * torch.exp(-2 * observed.var(dim=0))).clamp(0, 1)
        return right, excess.where(mean < bar, 0.0)

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Folds new users into the graph, see :func:`~soil_pyg.models.newcomers.fold_users`."""
        data = with_graphs(data, INTERACTS, make_transform)
        return fold_users(data, messages(self.propagation, self.tables, adjacency(data, INTERACTS)))

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embedding of a user by the edges that leave the user, and that of an item into
        the content and the views.
        """
        data = with_graphs(data, BEHAVIOUR, make_transform)
        model, hops = double_copy(self), FirstHops(data, INTERACTS)
        own, sent = hops.split(model.propagation, model.tables)
        content, views = model.propagate(data)
        view_of = dict(zip([*self.in_channels, "behaviour"], views, strict=True))
        return Decomposition(
            content, own, hops, sent, view_of, shares=lambda _, x: [1 / len(x)] * len(x)
        )


def _divergence(user: Tensor, first: Tensor, second: Tensor) -> Tensor:
    # The mean over all pairs; blocks are computed again for their gradients.
    total = user.new_zeros(())
    for rows in torch.split(user, max(1, BLOCK_PAIRS // len(first))):
        arguments = (_sum_of_divergences, rows, first, second)
        total = total + checkpoint(*arguments, use_reentrant=False, preserve_rng_state=False)
    return total / (len(user) * len(first))


def _sum_of_divergences(user: Tensor, first: Tensor, second: Tensor) -> Tensor:
    # Both divergences of two Bernoulli distributions together need their logits alone.
    x, y = user @ first.t(), user @ second.t()
    return ((x.sigmoid() - y.sigmoid()) * (x - y)).sum()
