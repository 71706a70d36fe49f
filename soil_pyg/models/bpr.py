import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.decompose import Decomposition, double_copy
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import MakeTransform
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import BPRLoss, embedding_loss
from soil_pyg.typing import Triplets
from soil_pyg.utils.checks import check_at_least


class BPR(EmbeddingRecommender):
    r"""Matrix factorisation with a pairwise ranking loss, from the `"BPR: Bayesian Personalized
    Ranking from Implicit Feedback" <https://arxiv.org/abs/1205.2618>`_ paper.

    .. math::
        \hat{y}_{ui} = \mathbf{e}_u^{\top} \mathbf{e}_i

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        reg (float, optional): The weight of the regularisation of the batch's embeddings.
            (default: :obj:`0.1`)

    Example:
        >>> model = BPR(num_users=3, num_items=4, hidden_channels=8)
        >>> user_emb, item_emb = model(HeteroData())
        >>> (user_emb @ item_emb.t()).size()
        torch.Size([3, 4])
    """

    row_wise = True

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
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the embeddings again (Xavier normal)."""
        torch.nn.init.xavier_normal_(self.user_embedding.weight)
        torch.nn.init.xavier_normal_(self.item_embedding.weight)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the trained embeddings of all users and items."""
        return self.tables

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the trained embeddings."""
        return LossTables([self.user_embedding(users)], [self.item_embedding.weight])

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        user, positive, negative = tables.triplets(batch)
        return {
            "bpr": self.bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1)),
            "reg": self.reg * embedding_loss(user, positive, negative),
        }

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Returns the user's own embedding as the only summand."""
        user, item = double_copy(self).tables
        return Decomposition((user, item), own=user)
