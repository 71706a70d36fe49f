from typing import Any

import torch
from torch_geometric.data import HeteroData
from torch_geometric.utils import coalesce
from typing_extensions import Unpack

from soil_pyg.models.graphs import SimilarItemGraphs, similar
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms import NormalizeGraph, SimilarityGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, ITEM
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import count_nodes

FUSION = "fusion"
"""The name of the view of all modalities."""


class SMOREGraphs(SimilarItemGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.SMORE`: the user-item graph and, for each
    modality, the graph of the :math:`k` most similar items, all symmetrically normalised, and the
    graph of the pairs of items in any of the latter, with the largest weight of each.

    Args:
        k, modalities, negative (optional): See :class:`~soil_pyg.transforms.SimilarityGraph`; the
            visual modality comes first.
        first_k (int, optional): The number :math:`k` of the first modality.
            (default: :obj:`None`, :obj:`k`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        negative: str = "drop",
        first_k: int | None = None,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__(k, modalities, negative, **search_options)
        if first_k is not None:
            check_integer("first_k", first_k, 1)
        self.first_k = first_k
        self._options: dict[str, Any] = {"negative": negative, **search_options}

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        first, *others = self.names(data)
        if self.first_k is None:
            data = self.similarity_graph(data)
        else:
            for k, names in ((self.first_k, [first]), (self.similarity_graph.k, others)):
                data = SimilarityGraph(k, names, **self._options)(data) if names else data
        graphs = [similar(name) for name in (first, *others)]
        data = NormalizeGraph([INTERACTS, *graphs])(data)
        edges, weight = coalesce(
            torch.cat([data[graph].edge_index for graph in graphs], dim=1),
            torch.cat([data[graph].norm_weight for graph in graphs]),
            num_nodes=count_nodes(data, ITEM),
            reduce="max",
            sort_by_row=False,
        )
        data[similar(FUSION)].edge_index, data[similar(FUSION)].norm_weight = edges, weight
        return ToAdjacency([INTERACTS, *graphs, similar(FUSION)], "norm_weight")(data)
