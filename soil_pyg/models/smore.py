from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict

from soil_pyg.models.batch_nodes import propagate_to
from soil_pyg.models.decompose import Decomposition, FirstHops
from soil_pyg.models.feature_recommender import FeatureRecommender
from soil_pyg.models.graphs import (
    MakeTransform,
    PairTensor,
    adjacency,
    similar,
    with_graphs,
)
from soil_pyg.models.new_user_rows import NewUserRows
from soil_pyg.models.newcomers import NewUserEmbedder, messages
from soil_pyg.models.smore_graphs import FUSION, SMOREGraphs
from soil_pyg.models.view_recommender import ViewRecommender
from soil_pyg.nn import (
    BPRLoss,
    FeatureProjection,
    InfoNCELoss,
    LightConv,
    LightPropagation,
    SpectralFilter,
)
from soil_pyg.ops.degrees import item_degree
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_at_least, check_integer, check_share


class SMORE(ViewRecommender, FeatureRecommender):
    r"""Views of filtered features and of their fusion, from the `"Spectrum-based Modality
    Representation Fusion Graph Convolutional Network for Multimodal Recommendation"
    <https://arxiv.org/abs/2412.14978>`_ paper.

    The content embedding :math:`\mathbf{E}` comes from the user-item graph. The features of each
    modality, and the product of the spectra of all, are filtered
    (:class:`~soil_pyg.nn.SpectralFilter`) and gate the item embeddings, which are propagated over
    the graph of similar items. Users gather these views :math:`\mathbf{V}_m` and
    :math:`\mathbf{V}_f` of their items. Both the content embedding and the fused view tell how much
    each view counts:

    .. math::
        \mathbf{S} = \frac{1}{M + 1} \Big( \sum_m \mathbf{p}_m \odot \mathrm{softmax}(\mathbf{Q}_m
        \tanh(\mathbf{W}_m \mathbf{v}_f + \mathbf{b}_m)) \odot \mathbf{v}_m + \mathbf{p}_f \odot
        \mathbf{v}_f \Big), \qquad \mathbf{p}_x = \sigma(\mathbf{G}_x \mathbf{e} + \mathbf{g}_x)

    with the softmax over the channels, :math:`\mathbf{F} = \mathbf{E} + \mathbf{S}` and
    :math:`\hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i`. A contrast aligns :math:`\mathbf{S}`
    with :math:`\mathbf{E}`. The features are trained.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`3`)
        num_item_layers (int, optional): Layers on the item-item graphs. (default: :obj:`1`)
        dropout (float, optional): The dropout on :math:`\mathbf{p}` in training.
            (default: :obj:`0.0`)
        reg (float, optional): The weight of the regularisation of the batch's final embeddings.
            (default: :obj:`1e-4`)
        cl_weight (float, optional): The weight of the contrast. (default: :obj:`0.01`)
        tau (float, optional): The temperature of the contrast. (default: :obj:`0.2`)
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
        num_item_layers: int = 1,
        dropout: float = 0.0,
        reg: float = 1e-4,
        cl_weight: float = 0.01,
        tau: float = 0.2,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_item_layers", num_item_layers, 0)
        check_share("dropout", dropout)
        check_at_least("reg", reg, 0)
        check_at_least("cl_weight", cl_weight, 0)
        if FUSION in self.in_channels:
            raise ValueError(f"'in_channels' must not name a modality {FUSION!r}, as a view is")
        self.num_item_layers = num_item_layers
        self.dropout = dropout
        self.reg = reg
        self.cl_weight = cl_weight
        d, sizes = hidden_channels, self.in_channels
        self.view_names = [*sizes, FUSION]
        self.projections = ModuleDict({m: FeatureProjection(n, d) for m, n in sizes.items()})
        self.filters = ModuleDict({name: SpectralFilter(d) for name in self.view_names})
        self.gates = ModuleDict({name: Linear(d, d) for name in self.view_names})
        self.preferences = ModuleDict({name: Linear(d, d) for name in self.view_names})
        self.hidden = ModuleDict({m: Linear(d, d) for m in sizes})
        self.query = ModuleDict({m: Linear(d, d, bias=False) for m in sizes})
        self.propagation = LightPropagation(num_layers)
        self.conv = LightConv()
        self.bpr_loss = BPRLoss()
        self.contrast = InfoNCELoss(tau)
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> SMOREGraphs:
        """Returns :class:`~soil_pyg.models.smore_graphs.SMOREGraphs` with the given options."""
        return SMOREGraphs(**options)

    def reset_parameters(self) -> None:
        """Resets the embeddings, the features, the filters and the layers (PyTorch's defaults)."""
        super().reset_parameters()
        for module in self.children():
            if isinstance(module, ModuleDict) and module is not self.features:
                reset(module)

    def propagate(
        self, data: HeteroData, users: Tensor | None = None
    ) -> tuple[PairTensor, list[Tensor], list[Tensor]]:
        """Returns the content embeddings of users and of items, the views of users and the views
        of items, that of the fusion last.
        """
        item, interactions = self.item_embedding.weight, adjacency(data, INTERACTS)
        content = self.propagation(self.tables, interactions)
        features = {m: f(self.trained_features(data, m)) for m, f in self.projections.items()}
        item_views = []
        for name in self.view_names:
            inputs = features.values() if name == FUSION else [features[name]]
            filtered = self.filters[name](*inputs).to(item.dtype)
            view = item * self.gates[name](filtered).sigmoid()
            for _ in range(self.num_item_layers):
                view = self.conv(view, adjacency(data, similar(name)))
            item_views.append(view)
        return content, propagate_to(users, self.conv, item_views, interactions.t()), item_views

    def fuse(self, content: Tensor, views: Sequence[Tensor], dropout: float = 0.0) -> Tensor:
        """Returns the side embeddings of some nodes."""
        shares = self.shares(content, views, dropout)
        weighted = [share * view for share, view in zip(shares, views, strict=True)]
        return torch.stack(weighted).sum(dim=0)

    def fuse_batch(self, content: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Returns the side embeddings of nodes of a batch, in training with dropout."""
        return self.fuse(content, views, self.dropout if self.training else 0.0)

    def shares(
        self, content: Tensor, views: Sequence[Tensor], dropout: float = 0.0
    ) -> list[Tensor | float]:
        """Returns the factor of each view of nodes in their side embeddings."""
        out: list[Tensor | float] = []
        for name, preference in self.preferences.items():
            share = F.dropout(preference(content).sigmoid(), dropout) / len(views)
            if name != FUSION:
                attention = self.query[name](self.hidden[name](views[-1]).tanh())
                share = share * attention.softmax(dim=-1)
            out.append(share)
        return out

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        (user, item), user_views, item_views = self.propagate(data)
        return user + self.fuse(user, user_views), item + self.fuse(item, item_views)

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Folds new users into the user-item graph, which then normalises their edges."""
        data = with_graphs(data, INTERACTS, make_transform)
        sent = messages(self.propagation, self.tables, adjacency(data, INTERACTS))
        rows = NewUserRows(item_degree(data))
        return self.fold_users(data, sent, lambda *new: (rows(*new),) * 2)

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits embeddings into the content and the views, each times its share."""
        data = with_graphs(data, INTERACTS, make_transform)
        hops = FirstHops(data, INTERACTS)
        return self.split(data, hops, hops)
