from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.transforms import Compose
from torch_geometric.typing import EdgeType

from soil_pyg.models.batch_nodes import propagate_to
from soil_pyg.models.decompose import Decomposition, FirstHops, attention
from soil_pyg.models.feature_recommender import FeatureRecommender
from soil_pyg.models.graphs import (
    MakeTransform,
    PairTensor,
    SimilarItemGraphs,
    adjacency,
    similar,
    with_graphs,
)
from soil_pyg.models.view_recommender import ViewRecommender
from soil_pyg.nn import BPRLoss, InfoNCELoss, LightConv, LightPropagation, ModalityGate
from soil_pyg.transforms import NormalizeGraph, ToAdjacency
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_at_least, check_integer


class MGCNGraphs(SimilarItemGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.MGCN`: the user-item graph and, for each
    modality, the graph of the :math:`k` most similar items, all symmetrically normalised.

    Its options are those of :class:`~soil_pyg.models.graphs.SimilarItemGraphs`.
    """

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        graphs = [INTERACTS, *map(similar, self.names(data))]
        return Compose(
            [self.similarity_graph, NormalizeGraph(graphs), ToAdjacency(graphs, "norm_weight")]
        )(data)


class MGCN(ViewRecommender, FeatureRecommender):
    r"""Views of the modalities beside the content embeddings, from the `"Multi-View Graph
    Convolutional Network for Multimedia Recommendation" <https://arxiv.org/abs/2308.03588>`_
    paper.

    The content embedding :math:`\mathbf{E}` comes from the user-item graph. For each of the
    :math:`M` modalities, the item embeddings are gated by the features and propagated over the
    graph of similar items, which gives the view :math:`\mathbf{V}_m` of the items; users gather
    the views of their items. The preferences of the content embedding fuse the common part of the
    views with the rest of each view:

    .. math::
        \mathbf{C} = \sum_m \alpha_m \mathbf{V}_m, \qquad
        \mathbf{S} = \frac{1}{M + 1} \Big( \mathbf{C} + \sum_m \sigma(\mathbf{W}_m \mathbf{E} +
        \mathbf{b}_m) \odot (\mathbf{V}_m - \mathbf{C}) \Big), \qquad
        \mathbf{F} = \mathbf{E} + \mathbf{S}

    with :math:`\alpha_m = \mathrm{softmax}_m (\mathbf{q}^{\top} \tanh(\mathbf{W} \mathbf{v}_m +
    \mathbf{b}))` and :math:`\hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i`. A contrast aligns
    :math:`\mathbf{S}` with :math:`\mathbf{E}`. The features are trained. With a single modality,
    :math:`\mathbf{S} = \mathbf{V}_1 / 2`.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_item_layers (int, optional): Layers on the item-item graphs. (default: :obj:`1`)
        reg (float, optional): The weight of the regularisation of the batch's final embeddings.
            (default: :obj:`1e-4`)
        cl_weight (float, optional): The weight of the contrast. (default: :obj:`0.01`)
        tau (float, optional): The temperature of the contrast. (default: :obj:`0.2`)
    """

    row_wise = True

    interactions: ClassVar[EdgeType] = INTERACTS
    """The edge type of the prepared user-item graph."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        reg: float = 1e-4,
        cl_weight: float = 0.01,
        tau: float = 0.2,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_item_layers", num_item_layers, 0)
        check_at_least("reg", reg, 0)
        check_at_least("cl_weight", cl_weight, 0)
        self.num_item_layers = num_item_layers
        self.reg = reg
        self.cl_weight = cl_weight
        channels, sizes = hidden_channels, self.in_channels
        self.gates = ModuleDict({m: ModalityGate(d, channels, True) for m, d in sizes.items()})
        self.preferences = ModuleDict({m: Linear(channels, channels) for m in sizes})
        self.project = Linear(channels, channels)
        self.query = Linear(channels, 1, bias=False)
        self.propagation = LightPropagation(num_layers)
        self.conv = LightConv()
        self.bpr_loss = BPRLoss()
        self.contrast = InfoNCELoss(tau)
        if type(self).reset_parameters is MGCN.reset_parameters:
            self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> MGCNGraphs:
        """Returns :class:`~soil_pyg.models.mgcn.MGCNGraphs` with the given options."""
        return MGCNGraphs(**options)

    def reset_parameters(self) -> None:
        """Resets the embeddings, the features and the layers (PyTorch's defaults)."""
        super().reset_parameters()
        for module in (self.gates, self.preferences, self.project, self.query):
            reset(module)

    def spread(self, data: HeteroData, x: PairTensor) -> PairTensor:
        """Returns the embeddings of users and items, propagated over the user-item graph."""
        user, item = self.propagation(x, adjacency(data, self.interactions))
        return user, item

    def propagate(
        self, data: HeteroData, users: Tensor | None = None
    ) -> tuple[PairTensor, list[Tensor], list[Tensor]]:
        """Returns the content embeddings of users and of items, the views of users and the views
        of items.
        """
        item, interactions = self.item_embedding.weight, adjacency(data, self.interactions)
        content = self.spread(data, self.tables)
        item_views = []
        for modality in self.in_channels:
            view = self.gates[modality](self.trained_features(data, modality), item)
            for _ in range(self.num_item_layers):
                view = self.conv(view, adjacency(data, similar(modality)))
            item_views.append(view)
        user_views = propagate_to(users, self.conv, item_views, interactions.t())
        return content, user_views, item_views

    def fuse(self, content: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Returns the side embeddings of some nodes."""
        if len(views) == 1:
            return views[0] / 2
        scores = [self.query(self.project(view).tanh()) for view in views]
        weights = torch.split(torch.cat(scores, dim=-1).softmax(dim=-1), 1, dim=-1)
        weighted = [weight * view for weight, view in zip(weights, views, strict=True)]
        common = sum(weighted[1:], start=weighted[0])
        side: Tensor = common
        for modality, view in zip(self.in_channels, views, strict=True):
            side = side + self.preferences[modality](content).sigmoid() * (view - common)
        return side / (len(views) + 1)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        (user, item), user_views, item_views = self.propagate(data)
        return user + self.fuse(user, user_views), item + self.fuse(item, item_views)

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits embeddings into the content and the views, each times its share."""
        data = with_graphs(data, INTERACTS, make_transform)
        hops = FirstHops(data, INTERACTS)
        return self.split(data, hops, hops)

    def shares(self, content: Tensor, views: list[Tensor]) -> list[Tensor | float]:
        r"""Returns the factor of each view of a node in its side embedding.

        .. math::
            \mathbf{w}_m = \frac{1}{M + 1} \Big( \alpha_m \big( 1 - \sum_n \mathbf{g}_n \big) +
            \mathbf{g}_m \Big), \qquad \mathbf{g}_m = \sigma(\mathbf{W}_m \mathbf{e} + \mathbf{b}_m)
        """
        if len(views) == 1:
            return [0.5]
        gates = [linear(content).sigmoid() for linear in self.preferences.values()]
        common = 1 - torch.stack(gates).sum(dim=0)
        weights = attention(self.project, self.query, views)
        return [
            (weight * common + gate) / (len(views) + 1)
            for weight, gate in zip(weights, gates, strict=True)
        ]
