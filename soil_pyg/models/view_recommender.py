from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.batch_nodes import distinct
from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy, double_features
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import PairTensor
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.nn import Adjacency, AlignedPairsLoss, BPRLoss, InfoNCELoss, LightPropagation
from soil_pyg.nn.split_batch import squared_loss
from soil_pyg.typing import Triplets

RowsOfNew: TypeAlias = Callable[[Tensor, int], tuple[Adjacency, Adjacency]]
"""Returns the rows of new users in the graphs over which they gather content and views, given their
interactions and their number.
"""

NO_USERS = torch.empty(0, dtype=torch.long)
"""Passed to :meth:`ViewRecommender.propagate` if only the views of the items are needed."""


class BatchEmbeddings(NamedTuple):
    """Content and side embeddings of the nodes of a batch."""

    user: PairTensor
    """The distinct users."""
    positive: PairTensor
    """The distinct positive items."""
    negative: PairTensor
    """The negative items, one per triplet."""
    user_row: Tensor
    """The row of :attr:`user` for each triplet."""
    item_row: Tensor
    """The row of :attr:`positive` for each triplet."""


class ViewRecommender(EmbeddingRecommender):
    r"""A model with one view :math:`\mathbf{V}_m` of users and items per modality beside their
    content embeddings :math:`\mathbf{E}`.

    .. math::
        \mathbf{F} = \mathbf{E} + \mathbf{S}, \qquad
        \mathbf{S} = \sum_m \mathbf{W}_m \odot \mathbf{V}_m
    """

    multimodal = True
    propagation: LightPropagation
    bpr_loss: BPRLoss
    contrast: AlignedPairsLoss | InfoNCELoss
    reg: float
    cl_weight: float
    view_names: list[str]
    """The names of the views."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        self.view_names = list(self.in_channels)

    @abstractmethod
    def propagate(
        self, data: HeteroData, users: Tensor | None = None
    ) -> tuple[PairTensor, list[Tensor], list[Tensor]]:
        """Returns the content embeddings of users and of items, the views of users and the views
        of items, with one view per modality. The views of users are limited to :obj:`users`.
        """

    @abstractmethod
    def fuse(self, content: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Returns the side embeddings of some nodes, given their content embeddings and their
        views, one per modality.
        """

    def fuse_batch(self, content: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Returns the side embeddings of nodes of a batch, where dropout may be drawn."""
        return self.fuse(content, views)

    @abstractmethod
    def shares(self, content: Tensor, views: list[Tensor]) -> list[Tensor | float]:
        r"""Returns the factor :math:`\mathbf{w}_m` of each view in the side embedding of one node,
        given its content embedding and its views.
        """

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the content embeddings and the views."""
        (user, item), user_views, item_views = self.propagate(data, users)
        return LossTables([F.embedding(users, user), *user_views], [item, *item_views])

    def embed_batch(self, tables: LossTables, batch: Triplets) -> BatchEmbeddings:
        """Returns the embeddings of the nodes of a batch."""
        # Only nodes of the batch are fused, each once.
        content_u, *user_views = tables.user
        side_u = self.fuse_batch(content_u, user_views)
        items, item_row = distinct(batch.positive)
        chosen, sizes = torch.cat([items, batch.negative]), [len(items), len(batch.negative)]
        content, *item_views = [F.embedding(chosen, table) for table in tables.item]
        side = self.fuse_batch(content, item_views)
        positive, negative = zip(torch.split(content, sizes), torch.split(side, sizes), strict=True)
        return BatchEmbeddings((content_u, side_u), positive, negative, batch.user, item_row)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss, the regularisation of the final embeddings, and the contrast
        of the side with the content embeddings.
        """
        user, positive, negative, user_row, item_row = self.embed_batch(tables, batch)
        (content_u, side_u), (content_i, side_i), (content_j, side_j) = user, positive, negative
        query = F.embedding(user_row, content_u + side_u)
        target = F.embedding(item_row, content_i + side_i)
        other = content_j + side_j
        reg = squared_loss(self.reg, query, target, other)
        contrast = self.contrast(side_i, content_i, item_row.expand(2, -1))
        contrast = contrast + self.contrast(side_u, content_u, user_row.expand(2, -1))
        return {
            "bpr": self.bpr_loss((query * target).sum(-1), (query * other).sum(-1)),
            "reg": reg,
            "contrast": self.cl_weight * contrast,
        }

    def fold_users(self, data: HeteroData, sent: Tensor, rows: RowsOfNew) -> NewUserEmbedder:
        """Folds new users into the graphs, given what the items send over an edge of weight 1: they
        gather content and views and send none. Their own embedding, which is unknown, is zero.
        """
        _, _, views = self.propagate(data, NO_USERS)

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            of_content, of_views = rows(edge_index, num_new_users)
            content = of_content @ sent
            return content + self.fuse(content, [of_views @ view for view in views])

        return embed

    def split(self, data: HeteroData, hops: FirstHops, view_hops: FirstHops) -> Decomposition:
        """Splits embeddings into the content, over the edges of :obj:`hops`, and the views, over
        those of :obj:`view_hops`, each times its share.
        """
        model = double_copy(self)
        own, sent = hops.split(model.propagation, model.tables)
        content, _, views = model.propagate(double_features(data), NO_USERS)
        view_of = dict(zip(self.view_names, views, strict=True))
        return Decomposition(content, own, hops, sent, view_of, view_hops, model.shares)
