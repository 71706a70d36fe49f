import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import MakeTransform, adjacency, normalized_interactions, with_graphs
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.newcomers import NewUserEmbedder, fold_users, messages
from soil_pyg.nn import Adjacency, BPRLoss, LightPropagation, embedding_loss
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least


class LightGCN(EmbeddingRecommender):
    r"""Light graph convolutions on the user-item graph, from the `"LightGCN: Simplifying and
    Powering Graph Convolution Network for Recommendation" <https://arxiv.org/abs/2002.02126>`_
    paper.

    .. math::
        \mathbf{E} = \frac{1}{L + 1} \sum_{l=0}^{L} \mathbf{L}^l \mathbf{E}^{(0)}, \qquad
        \hat{y}_{ui} = \mathbf{e}_u^{\top} \mathbf{e}_i

    with :math:`\mathbf{L}` the symmetrically normalised matrix of the interactions.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): The number of layers :math:`L`. (default: :obj:`2`)
        reg (float, optional): The weight of the regularisation of the batch's initial embeddings.
            (default: :obj:`1e-4`)

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> data = LightGCN.graph_transform()(SyntheticMultimodal(40, 30)[0])
        >>> user_emb, item_emb = LightGCN(40, 30, hidden_channels=8)(data)
        >>> item_emb.size()
        torch.Size([30, 8])
    """

    row_wise = True

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
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_at_least("reg", reg, 0)
        self.reg = reg
        self.propagation = LightPropagation(num_layers)
        self.bpr_loss = BPRLoss()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the normalised user-item graph."""
        return normalized_interactions()

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the propagated embeddings of all users and items."""
        user, item = self.propagation(self.tables, adjacency(data, INTERACTS))
        return user, item

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the propagated and the initial embeddings."""
        user, item = zip(self(data), self.tables, strict=True)
        return LossTables([F.embedding(users, table) for table in user], item)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        user, initial_user = (F.embedding(batch.user, table) for table in tables.user[:2])
        items = tables.item[:2]
        positive, initial_positive = (F.embedding(batch.positive, table) for table in items)
        negative, initial_negative = (F.embedding(batch.negative, table) for table in items)
        reg = embedding_loss(initial_user, initial_positive, initial_negative)
        return {
            "bpr": self.bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1)),
            "reg": self.reg * reg,
        }

    def messages(self, graph: Adjacency) -> Tensor:
        """Returns the embedding that each item sends to a user over an edge of weight 1."""
        return messages(self.propagation, self.tables, graph)

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Folds new users into the graph, see :func:`~soil_pyg.models.newcomers.fold_users`."""
        data = with_graphs(data, INTERACTS, make_transform)
        return fold_users(data, self.messages(adjacency(data, INTERACTS)))

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embedding of a user by the edges that leave the user."""
        data = with_graphs(data, INTERACTS, make_transform)
        model, hops = double_copy(self), FirstHops(data, INTERACTS)
        own, sent = hops.split(model.propagation, model.tables)
        return Decomposition(model(data), own, hops, sent)
