from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from typing_extensions import Unpack

from soil_pyg.models.freedom import FREEDOMGraphs, propagate_items
from soil_pyg.models.graphs import PairTensor
from soil_pyg.models.user_graph_recommender import UserGraphRecommender
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms import UserGraph
from soil_pyg.utils.checks import check_integer


class DRAGONGraphs(FREEDOMGraphs):
    """Builds the graphs of :class:`~soil_pyg.models.DRAGON`: those of
    :class:`~soil_pyg.models.FREEDOM` and the graph of similar users.

    Args:
        k, modalities (optional): See :class:`~soil_pyg.transforms.SimilarityGraph`; the visual
            modality comes first.
        first_weight (float, optional): The weight of the first modality in the graph of similar
            items. (default: :obj:`0.1`)
        user_k (int, optional): See :class:`~soil_pyg.transforms.UserGraph`. (default: :obj:`40`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        first_weight: float = 0.1,
        user_k: int = 40,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__(k, modalities, first_weight, **search_options)
        memory_budget = self.similarity_graph.search_options.memory_budget
        self.user_graph = UserGraph(user_k, memory_budget)

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        return self.user_graph(super().forward(data))

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, user_k={self.user_graph.user_k})"


class DRAGON(UserGraphRecommender):
    r"""Joins the preferences per modality with a graph of similar users and one of similar items,
    from the `"Enhancing Dyadic Relations with Homogeneous Graphs for Multimodal Recommendation"
    <https://arxiv.org/abs/2301.12097>`_ paper.

    .. math::
        \mathbf{R}_u = \big\Vert_m w_{um} \mathbf{h}_{u,m}, \qquad
        \mathbf{F}_u = \mathbf{R}_u + \sum_v G_{uv} \mathbf{R}_v, \qquad
        \mathbf{R}_i = \big\Vert_m \mathbf{h}_{i,m}, \qquad
        \mathbf{F}_i = \mathbf{R}_i + (\mathbf{A}^{L} \mathbf{R})_i, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\mathbf{h}_{\cdot,m}` of :class:`~soil_pyg.nn.ModalityEncoder`, trained weights
    :math:`w_{um}`, the graph :math:`\mathbf{G}` of :class:`~soil_pyg.transforms.UserGraph` and the
    frozen graph :math:`\mathbf{A}` of :class:`FREEDOM`.

    Args:
        num_users, num_items, in_channels, hidden_channels, reg, pad: See
            :class:`UserGraphRecommender`.
        num_item_layers (int, optional): Layers :math:`L` on the item-item graph.
            (default: :obj:`1`)

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> data = DRAGON.graph_transform(user_k=3)(SyntheticMultimodal(40, 30)[0])
        >>> model = DRAGON(40, 30, {"image": 64, "text": 32}, hidden_channels=8)
        >>> user_emb, item_emb = model(data)
        >>> item_emb.size()
        torch.Size([30, 16])
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 1e-3,
        pad: str = "none",
        num_item_layers: int = 1,
    ) -> None:
        super().__init__(
            num_users, num_items, in_channels, hidden_channels=hidden_channels, reg=reg, pad=pad
        )
        check_integer("num_item_layers", num_item_layers, 0)
        self.num_item_layers = num_item_layers
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, **options: Any) -> DRAGONGraphs:
        """Returns :class:`~soil_pyg.models.dragon.DRAGONGraphs` with the given options."""
        return DRAGONGraphs(**options)

    def embed(
        self, data: HeteroData, users: Tensor | None = None, training: bool = False
    ) -> PairTensor:
        """Returns the final embeddings of some users, or of all, and those of all items."""
        user_views, item_views = map(list, zip(*self.encode(data), strict=True))
        user = self.combine(user_views, self.user_weight.weight)
        item = torch.cat(item_views, dim=1)
        item = item + propagate_items(data, item, self.num_item_layers)
        return self.gather_similar(data, user, users, training), item
