from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
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

    def embed_items(self, data: HeteroData, index: Tensor | None = None) -> Tensor:
        """Returns the embeddings of some items, or of all."""
        x = [self.item_features(data, modality) for modality in self.in_channels]
        embedding = self.item_embedding.weight
        if index is not None:
            x, embedding = [F.embedding(index, x_m) for x_m in x], F.embedding(index, embedding)
        return torch.cat([embedding, self.project(torch.cat(x, dim=-1))], dim=-1)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the embeddings of all users and items."""
        return self.user_embedding.weight, self.embed_items(data)

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        user = self.user_embedding(batch.user)
        positive = self.embed_items(data, batch.positive)
        negative = self.embed_items(data, batch.negative)
        return {
            "bpr": self.bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1)),
            "reg": self.reg * embedding_loss(user, positive, negative),
        }
