import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from soil_pyg.models.base import Recommender
from soil_pyg.models.graphs import adjacency
from soil_pyg.nn import BPRLoss, LightPropagation, embedding_loss
from soil_pyg.transforms import NormalizeGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least


class LightGCN(Recommender):
    r"""Light graph convolutions on the user-item graph, from the `"LightGCN: Simplifying and
    Powering Graph Convolution Network for Recommendation" <https://arxiv.org/abs/2002.02126>`_
    paper.

    .. math::
        \mathbf{E} = \frac{1}{L + 1} \sum_{l=0}^{L} \mathbf{L}^l \mathbf{E}^{(0)}, \qquad
        \hat{y}_{ui} = \mathbf{e}_u^{\top} \mathbf{e}_i

    with :math:`\mathbf{L}` the symmetrically normalised matrix of the interactions.

    Args:
        num_users (int): Number of users.
        num_items (int): Number of items.
        in_channels (dict[str, int], optional): Ignored. (default: :obj:`None`)
        hidden_channels (int, optional): The dimension of the embeddings. (default: :obj:`64`)
        num_layers (int, optional): The number of layers :math:`L`. (default: :obj:`2`)
        reg (float, optional): The weight of the regularisation of the batch's initial embeddings.
            (default: :obj:`1e-4`)

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 2, 3
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0, 1], [0, 1, 2]])
        >>> data = LightGCN.graph_transform()(data)
        >>> user_emb, item_emb = LightGCN(num_users=2, num_items=3, hidden_channels=8)(data)
        >>> (user_emb @ item_emb.t()).size()
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        reg: float = 1e-4,
    ) -> None:
        super().__init__(num_users, num_items, in_channels)
        check_at_least("hidden_channels", hidden_channels, 1)
        self.reg = reg
        self.user_embedding = Embedding(num_users, hidden_channels)
        self.item_embedding = Embedding(num_items, hidden_channels)
        self.propagation = LightPropagation(num_layers)
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that makes the normalised user-item graph."""
        return Compose([NormalizeGraph([INTERACTS]), ToAdjacency([INTERACTS], attr="norm_weight")])

    def reset_parameters(self) -> None:
        """Draws the embeddings anew (Xavier uniform)."""
        torch.nn.init.xavier_uniform_(self.user_embedding.weight)
        torch.nn.init.xavier_uniform_(self.item_embedding.weight)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the embeddings of all users and items.

        Args:
            data (HeteroData): The data with the graph of :meth:`graph_transform`.
        """
        x = self.user_embedding.weight, self.item_embedding.weight
        return self.propagation(x, adjacency(data, INTERACTS))

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the terms of the loss.

        Args:
            data (HeteroData): The data with the graph of :meth:`graph_transform`.
            batch (Triplets): The batch.
        """
        user_emb, item_emb = self(data)
        user = F.embedding(batch.user, user_emb)
        positive = F.embedding(batch.positive, item_emb)
        negative = F.embedding(batch.negative, item_emb)
        reg = embedding_loss(
            self.user_embedding(batch.user),
            self.item_embedding(batch.positive),
            self.item_embedding(batch.negative),
        )
        return {
            "bpr": self.bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1)),
            "reg": self.reg * reg,
        }
