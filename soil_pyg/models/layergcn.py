import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import (
    MakeTransform,
    adjacency,
    normalized_interactions,
    prepared,
    with_graphs,
)
from soil_pyg.models.loss_tables import LossTables, rank_halves
from soil_pyg.models.new_user_rows import NewUserRows
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.models.pruned_interactions import (
    draw_edges,
    prune_interactions,
    trained_interactions,
)
from soil_pyg.nn import BPRLoss, RefinedPropagation
from soil_pyg.nn.refined_propagation import refine
from soil_pyg.nn.split_batch import sum_batch
from soil_pyg.ops.degrees import item_degree
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least, check_choice, check_share


class LayerGCN(EmbeddingRecommender):
    r"""Layers weighted by their similarity to the trained embeddings, on a pruned user-item graph,
    from the `"Layer-refined Graph Convolutional Networks for Recommendation"
    <https://arxiv.org/abs/2207.11088>`_ paper.

    .. math::
        \mathbf{F} = \sum_{l=1}^{L} \mathbf{X}^{(l)}, \qquad
        \mathbf{x}_i^{(l)} = \cos(\mathbf{y}_i, \mathbf{e}_i) \, \mathbf{y}_i, \qquad
        \mathbf{Y} = \mathbf{L} \mathbf{X}^{(l-1)}, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\mathbf{X}^{(0)} = \mathbf{E}` the trained embeddings, see
    :class:`~soil_pyg.nn.RefinedPropagation`. Every epoch is trained on a sample of the
    interactions. Losses are sums over the batch.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): The number of layers :math:`L`. (default: :obj:`4`)
        dropout (float, optional): The share of the interactions that an epoch leaves out.
            (default: :obj:`0.1`)
        prune (str, optional): :obj:`"degree"` draws interactions with probabilities proportional to
            :math:`(|\mathcal{N}_u| |\mathcal{N}_i|)^{-1/2}`, :obj:`"uniform"` with equal ones, and
            :obj:`"alternate"`, as released, in turns: the first epoch by degree, the second
            uniformly. (default: :obj:`"degree"`)
        reg (float, optional): The weight of the regularisation of the batch's trained embeddings.
            (default: :obj:`1e-3`)
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 4,
        dropout: float = 0.1,
        prune: str = "degree",
        reg: float = 1e-3,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_share("dropout", dropout)
        check_choice("prune", prune, ("degree", "uniform", "alternate"))
        check_at_least("reg", reg, 0)
        self.dropout = dropout
        self.prune = prune
        self.reg = reg
        self.propagation = RefinedPropagation(num_layers)
        self.bpr_loss = BPRLoss(reduction="sum")

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the normalised user-item graph."""
        return normalized_interactions()

    def on_epoch_start(self, data: HeteroData) -> None:
        """Draws the interactions of the epoch and adds their graph to the data."""
        if self.dropout == 0:
            return
        weight = prepared(data, INTERACTS, "norm_weight").norm_weight
        if self.prune == "uniform" or (self.prune == "alternate" and self.epoch % 2 == 1):
            weight = torch.ones_like(weight)
        prune_interactions(data, draw_edges(weight, int(len(weight) * (1 - self.dropout))))

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items, on all interactions."""
        user, item = self.propagation(self.tables, adjacency(data, INTERACTS))
        return user, item

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the embeddings, in training on the interactions of the epoch, and the trained
        ones.
        """
        is_pruned = self.training and self.dropout > 0
        graph = adjacency(data, trained_interactions(data, is_pruned))
        user, item = zip(self.propagation(self.tables, graph), self.tables, strict=True)
        return LossTables([F.embedding(users, table) for table in user], item)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation, both sums over the batch."""
        (user, initial_user), (item, initial_item) = tables.rows(batch)
        squares = initial_user.square().sum() + initial_item.square().sum()
        return {
            "bpr": rank_halves(self.bpr_loss, user, item),
            "reg": self.reg * sum_batch(squares) / 2,
        }

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        r"""Folds new users into the graph, which then normalises their edges; they receive
        messages and send none. The first message stands for their own embedding, which is unknown:

        .. math::
            \mathbf{f}_v = \sum_{l=1}^{L} \cos(\mathbf{y}_v^{(l)}, \mathbf{y}_v^{(1)}) \,
            \mathbf{y}_v^{(l)}, \qquad
            \mathbf{y}_v^{(l)} = \sum_j A_{vj} \, \mathbf{x}_j^{(l-1)}
        """
        data = with_graphs(data, INTERACTS, make_transform)
        rows = NewUserRows(item_degree(data))
        layers = self.propagation.layers(self.tables, adjacency(data, INTERACTS))
        items = [item for _, item in layers[:-1]]

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            new = rows(edge_index, num_new_users)
            sent = [new @ item for item in items]
            return torch.stack([refine(y, sent[0]) for y in sent]).sum(dim=0)

        return embed
