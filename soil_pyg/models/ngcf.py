import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear, Module, ModuleList
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import PairTensor, adjacency, normalized_interactions
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import BipartiteConv, BPRLoss
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least, check_flag, check_integer, check_share

SLOPE = 0.2
"""The slope of the activation below zero."""


class NGCF(EmbeddingRecommender):
    r"""Graph convolutions that also pass on the affinity of users and items, from the `"Neural
    Graph Collaborative Filtering" <https://arxiv.org/abs/1905.08108>`_ paper.

    .. math::
        \mathbf{E}^{(l)} = \mathrm{LeakyReLU} \left( (\mathbf{L} + \mathbf{I}) \mathbf{E}^{(l-1)}
        \mathbf{W}_1^{(l)} + \mathbf{L} \mathbf{E}^{(l-1)} \odot \mathbf{E}^{(l-1)}
        \mathbf{W}_2^{(l)} \right), \qquad
        \mathbf{F} = \mathbf{E}^{(0)} \, \Vert \cdots \Vert \, \mathbf{E}^{(L)}

    with :math:`\mathbf{L}` the symmetrically normalised matrix of the interactions and
    :math:`\hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i`.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): The number of layers :math:`L`. (default: :obj:`3`)
        reg (float, optional): The weight of the regularisation of the batch's final embeddings.
            (default: :obj:`1e-5`)
        dropout (float, optional): The share of the entries of a layer that is dropped in training.
            (default: :obj:`0.1`)
        node_dropout (float, optional): The share of the nodes that send no message to their
            neighbours in training. (default: :obj:`0.0`)
        bias (bool, optional): If set to :obj:`True`, the linear maps have a bias, as in the
            released code. (default: :obj:`True`)
        normalize (bool, optional): If set to :obj:`True`, the rows of a layer have unit length in
            :math:`\mathbf{F}`, as in the released code. (default: :obj:`True`)
    """

    row_wise = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 3,
        reg: float = 1e-5,
        dropout: float = 0.1,
        node_dropout: float = 0.0,
        bias: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_layers", num_layers, 0)
        check_at_least("reg", reg, 0)
        check_share("dropout", dropout)
        check_share("node_dropout", node_dropout)
        check_flag("bias", bias)
        check_flag("normalize", normalize)
        self.reg = reg
        self.dropout = dropout
        self.node_dropout = node_dropout
        self.normalize = normalize
        self.sums, self.products = (
            ModuleList(Linear(hidden_channels, hidden_channels, bias) for _ in range(num_layers))
            for _ in range(2)
        )
        self.conv = BipartiteConv()
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the normalised user-item graph."""
        return normalized_interactions()

    def reset_parameters(self) -> None:
        """Draws the embeddings and the linear maps again (Xavier uniform; biases are zero)."""
        super().reset_parameters()
        for linear in (*self.sums, *self.products):
            torch.nn.init.xavier_uniform_(linear.weight)
            if linear.bias is not None:
                torch.nn.init.zeros_(linear.bias)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the embeddings of all layers side by side, of all users and items."""
        return self.embed(data)

    def embed(self, data: HeteroData, disturb: bool = False) -> PairTensor:
        """Returns the final embeddings of users and of items; :obj:`disturb` applies dropout."""
        graph, (user, item) = adjacency(data, INTERACTS), self.tables
        users, items = [user], [item]
        for maps in zip(self.sums, self.products, strict=True):
            senders = (self._block(x) if disturb else x for x in (user, item))
            from_item, from_user = self.conv(tuple(senders), graph)
            user = self._update(user, from_item, *maps, disturb)
            item = self._update(item, from_user, *maps, disturb)
            users.append(F.normalize(user) if self.normalize else user)
            items.append(F.normalize(item) if self.normalize else item)
        return torch.cat(users, dim=-1), torch.cat(items, dim=-1)

    def _block(self, x: Tensor) -> Tensor:
        return x * F.dropout(x.new_ones(len(x), 1), self.node_dropout)

    def _update(
        self, own: Tensor, received: Tensor, of_sum: Module, of_product: Module, disturb: bool
    ) -> Tensor:
        out = of_sum(own + received) + of_product(own * received)
        return F.dropout(F.leaky_relu(out, SLOPE), self.dropout, disturb)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final embeddings, in training with dropout."""
        user, item = self.embed(data, disturb=self.training)
        return LossTables([F.embedding(users, user)], [item])

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        return tables.rank(batch, self.bpr_loss, self.reg)
