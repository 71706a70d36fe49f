from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.transforms import Compose
from typing_extensions import Unpack

from soil_pyg.models.feature_recommender import FeatureRecommender
from soil_pyg.models.graphs import (
    UNWEIGHTED,
    PairTensor,
    SimilarItemGraphs,
    adjacency,
    similar,
    unweighted_interactions,
)
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import BPRLoss, FeatureProjection, LearnedGraph, LightConv, MeanPropagation
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms import NormalizeGraph, ToAdjacency
from soil_pyg.typing import Triplets
from soil_pyg.utils.checks import check_at_least, check_between, check_integer


class LATTICEGraphs(SimilarItemGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.LATTICE`: the interactions with weights of 1
    and, for each modality, the symmetrically normalised graph of the :math:`k` items with the most
    similar given features.

    Its options are those of :class:`~soil_pyg.models.graphs.SimilarItemGraphs`.
    """

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        item_graphs = list(map(similar, self.names(data)))
        return Compose(
            [
                unweighted_interactions(),
                self.similarity_graph,
                NormalizeGraph(item_graphs),
                ToAdjacency(item_graphs, "norm_weight"),
            ]
        )(data)


class LATTICE(FeatureRecommender):
    r"""Learned item-item graphs, from the `"Mining Latent
    Structures for Multimedia Recommendation" <https://arxiv.org/abs/2104.09036>`_ paper.

    Propagation over the interactions (:class:`~soil_pyg.nn.MeanPropagation`) gives
    :math:`\bar{\mathbf{E}}`; items also receive the embeddings of similar items:

    .. math::
        \mathbf{A} = (1 - c) \, \mathrm{sym} \Big( \sum_m w_m \tilde{\mathbf{S}}_m \Big) +
        c \sum_m w_m \, \mathrm{sym}(\tilde{\mathbf{S}}^{(0)}_m), \qquad
        \mathbf{f}_i = \bar{\mathbf{e}}_i + \frac{(\mathbf{A}^L \mathbf{E})_i}
        {\|(\mathbf{A}^L \mathbf{E})_i\|}, \qquad \hat{y}_{ui} = \bar{\mathbf{e}}_u^{\top}
        \mathbf{f}_i

    with :math:`\tilde{\mathbf{S}}^{(0)}_m` the :math:`k` largest cosines of each item by the given
    features, :math:`\tilde{\mathbf{S}}_m` those by the trained features after a linear map, and
    :math:`w` the softmax of one trained weight per modality. The first loss after
    :meth:`on_epoch_start`, or on other data than the previous loss, builds :math:`\mathbf{A}`, and
    gradients flow through it; for further batches it is a constant. :meth:`forward` always builds
    it. An item without a modality has no neighbours in it.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        feature_channels (int, optional): Dimension of the mapped features. (default: :obj:`64`)
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_item_layers (int, optional): Layers :math:`L` on the item-item graph.
            (default: :obj:`1`)
        original_weight (float, optional): Weight :math:`c` of the graph by the given features.
            (default: :obj:`0.9`)
        reg (float, optional): The weight of the regularisation of the batch's final embeddings.
            (default: :obj:`1e-4`)
        k (int, optional): The number of neighbours by the mapped features, as in
            :meth:`graph_transform`. (default: :obj:`10`)
        negative (str, optional): :obj:`"drop"` leaves out neighbours whose similarity is not
            positive, :obj:`"keep"` keeps them. (default: :obj:`"drop"`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        feature_channels: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        original_weight: float = 0.9,
        reg: float = 1e-4,
        k: int = 10,
        negative: str = "drop",
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("feature_channels", feature_channels, 1)
        check_integer("num_item_layers", num_item_layers, 0)
        check_between("original_weight", original_weight, 0, 1)
        check_at_least("reg", reg, 0)
        self.num_item_layers = num_item_layers
        self.original_weight = original_weight
        self.reg = reg
        sizes = self.in_channels
        self.projections = ModuleDict(
            {m: FeatureProjection(d, feature_channels) for m, d in sizes.items()}
        )
        self.modality_weight = Parameter(torch.empty(len(sizes)))
        self.learned_graph = LearnedGraph(k, negative, **search_options)
        self.propagation = MeanPropagation(num_layers)
        self.conv = LightConv()
        self.bpr_loss = BPRLoss()
        self._kept: WeakKeyDictionary[Adjacency, tuple[Adjacency, Tensor]] | None = None
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> LATTICEGraphs:
        """Returns :class:`~soil_pyg.models.lattice.LATTICEGraphs` with the given options."""
        return LATTICEGraphs(**options)

    def reset_parameters(self) -> None:
        """Draws the embeddings and the projections again, resets the features and sets the
        modalities to equal weights.
        """
        super().reset_parameters()
        reset(self.projections)
        torch.nn.init.constant_(self.modality_weight, 0.5)
        self._kept = None

    def on_epoch_start(self, data: HeteroData) -> None:
        """Discards the item-item graph, so that the next loss builds it again."""
        self._kept = None

    def item_graph(self, data: HeteroData) -> tuple[Adjacency, Tensor]:
        """Returns the learned item-item graph and the weights of the modalities for the current
        parameters.
        """
        weight = self.modality_weight.softmax(dim=0)
        # A single modality has the weight 1, whatever is trained.
        weight = weight.detach() if len(weight) == 1 else weight
        learned = {}
        for modality in self.in_channels:
            projected = self.projections[modality](self.trained_features(data, modality))
            learned[modality] = projected, self.item_features(data, modality).ne(0).any(dim=1)
        return self.learned_graph(learned, weight), weight

    def propagate(self, data: HeteroData, learned: Adjacency, weight: Tensor) -> PairTensor:
        """Returns the final embeddings of all users and items, with the learned graph and the
        weights of :meth:`item_graph`.
        """
        x = self.item_embedding.weight
        user, item = self.propagation(self.tables, adjacency(data, UNWEIGHTED))
        for _ in range(self.num_item_layers):
            out = (1 - self.original_weight) * self.conv(x, learned)
            for modality, share in zip(self.in_channels, weight, strict=True):
                original = self.conv(x, adjacency(data, similar(modality)))
                out = out + self.original_weight * share * original
            x = out
        return user, item + F.normalize(x)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items, on a newly built item-item graph."""
        return self.propagate(data, *self.item_graph(data))

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final embeddings."""
        user, item = self.propagate(data, *self._graph_of_epoch(data))
        return LossTables([F.embedding(users, user)], [item])

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _graph_of_epoch(self, data: HeteroData) -> tuple[Adjacency, Tensor]:
        """Returns the graph and the weights of :meth:`item_graph`: in the first batch of an epoch
        with their gradients, then as constants.
        """
        # Each partition of the data has a graph of its own, for as long as it lives.
        first = adjacency(data, similar(next(iter(self.in_channels))))
        if self._kept is not None and first in self._kept:
            return self._kept[first]
        learned, weight = self.item_graph(data)
        if self.training and torch.is_grad_enabled():
            kept = Adjacency(learned.rowptr, learned.col, learned.weight.detach(), learned.size[1])
            self._kept = WeakKeyDictionary() if self._kept is None else self._kept
            self._kept[first] = kept, weight.detach()
        return learned, weight

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Loads parameters and discards the item-item graph."""
        self._kept = None
        return super().load_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        # A copy builds the graph of its own parameters.
        return {**self.__dict__, "_kept": None}

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        return tables.rank(batch, self.bpr_loss, self.reg)
