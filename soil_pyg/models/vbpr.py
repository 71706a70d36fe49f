from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import BPRLoss, FeatureProjection, embedding_loss
from soil_pyg.typing import Triplets
from soil_pyg.utils.checks import check_at_least


class VBPR(EmbeddingRecommender):
    r"""Matrix factorisation that also reads the features of the items, from the `"VBPR: Visual
    Bayesian Personalized Ranking from Implicit Feedback" <https://arxiv.org/abs/1510.01784>`_
    paper.

    .. math::
        \hat{y}_{ui} = \mathbf{e}_u^{\top} \left( \mathbf{e}_i \, \Vert \left( \mathbf{W}
        \left[ \mathbf{x}_{1,i} \, \Vert \, \mathbf{x}_{2,i} \, \Vert \cdots \right] + \mathbf{b}
        \right) \right)

    with the features of all modalities side by side, in the order of :obj:`in_channels`. User
    embeddings have twice the dimension of item embeddings, as their second half is multiplied with
    the projected features.

    Args:
        num_users, num_items, in_channels: See :class:`EmbeddingRecommender`.
        hidden_channels (int, optional): Dimension of item embeddings and of projected features.
            (default: :obj:`64`)
        reg (float, optional): The weight of the regularisation of the batch's embeddings.
            (default: :obj:`0.1`)
    """

    multimodal = True
    row_wise = True
    user_factor: ClassVar[int] = 2

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 0.1,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_at_least("reg", reg, 0)
        self.reg = reg
        self.project = FeatureProjection(sum(self.in_channels.values()), hidden_channels)
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the embeddings (Xavier uniform) and the projection (Xavier normal) again."""
        super().reset_parameters()
        torch.nn.init.xavier_normal_(self.project.weight)
        torch.nn.init.zeros_(self.project.bias)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the embeddings of all users and items."""
        return self.user_embedding.weight, self._embed_items(*self._item_tables(data))

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the trained embeddings and the features."""
        return LossTables([self.user_embedding(users)], self._item_tables(data))

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        user = F.embedding(batch.user, tables.user[0])
        positive, negative = (
            self._embed_items(*(F.embedding(x, table) for table in tables.item))
            for x in (batch.positive, batch.negative)
        )
        return {
            "bpr": self.bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1)),
            "reg": self.reg * embedding_loss(user, positive, negative),
        }

    def _item_tables(self, data: HeteroData) -> list[Tensor]:
        features = [self.item_features(data, modality) for modality in self.in_channels]
        return [self.item_embedding.weight, *features]

    def _embed_items(self, embedding: Tensor, *features: Tensor) -> Tensor:
        return torch.cat([embedding, self.project(torch.cat(features, dim=-1))], dim=-1)
