from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.transforms import Compose
from torch_geometric.typing import EdgeType
from typing_extensions import Unpack

from soil_pyg.models.feature_recommender import FeatureRecommender
from soil_pyg.models.graphs import PairTensor, SimilarItemGraphs, adjacency, prepared, similar
from soil_pyg.models.loss_tables import LossTables, rank_halves
from soil_pyg.models.pruned_interactions import (
    draw_edges,
    prune_interactions,
    trained_interactions,
)
from soil_pyg.nn import BPRLoss, FeatureProjection, LightPropagation
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms import NormalizeGraph, SumGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, ITEM, Triplets
from soil_pyg.utils.checks import check_at_least, check_between, check_integer, check_share

ITEM_ITEM: EdgeType = (ITEM, "item_item", ITEM)
"""The frozen graph of similar items."""


class FREEDOMGraphs(SimilarItemGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.FREEDOM`: the symmetrically normalised
    user-item graph and the frozen item-item graph

    .. math::
        \mathbf{A} = w_1 \mathbf{A}_1 + \frac{1 - w_1}{M - 1} \sum_{m=2}^{M} \mathbf{A}_m

    with :math:`\mathbf{A}_m` the graph of the :math:`k` most similar items by modality :math:`m`,
    without weights, symmetrically normalised. A single modality has the weight 1.

    Args:
        k, modalities (optional): See :class:`~soil_pyg.transforms.SimilarityGraph`; the visual
            modality comes first.
        first_weight (float, optional): The weight :math:`w_1` of the first modality.
            (default: :obj:`0.1`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        first_weight: float = 0.1,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_between("first_weight", first_weight, 0, 1)
        # Edges without weights need no positive similarity.
        super().__init__(k, modalities, "keep", **search_options)
        self.first_weight = first_weight

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        names = self.names(data)
        data = self.similarity_graph(data)
        nearest: list[EdgeType] = [(ITEM, f"{name}_nearest", ITEM) for name in names]
        for name, edge_type in zip(names, nearest, strict=True):
            data[edge_type].edge_index = data[similar(name)].edge_index
        terms: dict[EdgeType, str | None] = dict.fromkeys(nearest, "norm_weight")
        others = len(names) - 1
        scales = [1.0]
        if others > 0:
            scales = [self.first_weight, *[(1 - self.first_weight) / others] * others]
        return Compose(
            [
                NormalizeGraph([INTERACTS, *nearest]),
                SumGraph(terms, ITEM_ITEM, scales, to_adjacency=True),
                ToAdjacency([INTERACTS], attr="norm_weight"),
            ]
        )(data)

    def __repr__(self) -> str:
        name = self.__class__.__name__
        k = self.similarity_graph.k
        return f"{name}(k={k}, first_weight={self.first_weight})"


def propagate_items(data: HeteroData, x: Tensor, num_layers: int) -> Tensor:
    """Returns the embeddings of items after some layers on the frozen graph."""
    for _ in range(num_layers):
        x = adjacency(data, ITEM_ITEM) @ x
    return x


class FREEDOM(FeatureRecommender):
    r"""A frozen item-item graph and a pruned user-item graph, from the `"A Tale of Two Graphs:
    Freezing and Denoising Graph Structures for Multimodal Recommendation"
    <https://arxiv.org/abs/2211.06924>`_ paper.

    .. math::
        \mathbf{F}_u = \bar{\mathbf{E}}_u, \qquad
        \mathbf{F}_i = \bar{\mathbf{E}}_i + \mathbf{A}^{L} \mathbf{E}_i, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\bar{\mathbf{E}}` the embeddings propagated over the user-item graph as in LightGCN
    and :math:`\mathbf{A}` the frozen graph of similar items. Every epoch is trained on a sample of
    the interactions, which :meth:`on_epoch_start` draws without replacement with probabilities
    proportional to :math:`(|\mathcal{N}_u| |\mathcal{N}_i|)^{-1/2}`. The loss also ranks the
    trained features of the items after a linear map.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_item_layers (int, optional): Layers :math:`L` on the item-item graph.
            (default: :obj:`1`)
        dropout (float, optional): The share of the interactions that an epoch leaves out.
            (default: :obj:`0.8`)
        reg (float, optional): The weight of the losses of the modalities. (default: :obj:`1e-3`)
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        dropout: float = 0.8,
        reg: float = 1e-3,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_item_layers", num_item_layers, 0)
        check_share("dropout", dropout)
        check_at_least("reg", reg, 0)
        self.num_item_layers = num_item_layers
        self.dropout = dropout
        self.reg = reg
        self.projections = ModuleDict(
            {m: FeatureProjection(d, hidden_channels) for m, d in self.in_channels.items()}
        )
        self.propagation = LightPropagation(num_layers)
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> FREEDOMGraphs:
        """Returns :class:`~soil_pyg.models.freedom.FREEDOMGraphs` with the given options."""
        return FREEDOMGraphs(**options)

    def reset_parameters(self) -> None:
        """Draws the embeddings and the projections again and resets the features."""
        super().reset_parameters()
        reset(self.projections)

    def on_epoch_start(self, data: HeteroData) -> None:
        """Draws the interactions of the epoch and adds their graph to the data."""
        if self.dropout == 0:
            return
        weight = prepared(data, INTERACTS, "norm_weight").norm_weight
        num_kept = round(len(weight) * (1 - self.dropout))
        prune_interactions(data, draw_edges(weight, num_kept))

    def propagate(self, data: HeteroData, edge_type: EdgeType) -> PairTensor:
        """Returns the final embeddings of all users and items on one user-item graph."""
        user, item = self.propagation(self.tables, adjacency(data, edge_type))
        x = propagate_items(data, self.item_embedding.weight, self.num_item_layers)
        return user, item + x

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items, on all interactions."""
        return self.propagate(data, INTERACTS)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the embeddings, in training on the interactions of the epoch, and the trained
        features.
        """
        is_pruned = self.training and self.dropout > 0
        user, item = self.propagate(data, trained_interactions(data, is_pruned))
        features = [self.trained_features(data, modality) for modality in self.in_channels]
        return LossTables([F.embedding(users, user)], [item, *features])

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss of the embeddings and of each modality."""
        (user,), (item_emb, *features) = tables.rows(batch)
        terms = {"bpr": rank_halves(self.bpr_loss, user, item_emb)}
        for modality, x in zip(self.in_channels, features, strict=True):
            projected = self.projections[modality](x)
            terms[f"bpr_{modality}"] = self.reg * rank_halves(self.bpr_loss, user, projected)
        return terms
