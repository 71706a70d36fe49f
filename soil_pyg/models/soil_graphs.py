from typing import Any

from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType
from typing_extensions import Unpack

from soil_pyg.models.graphs import SimilarItemGraphs, similar
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.ragged import trim_heap
from soil_pyg.ops.search_options import SearchKwargs, SearchOptions, takes_search_options
from soil_pyg.transforms import InterestGraph, NormalizeGraph, SecondOrderGraph, SumGraph
from soil_pyg.transforms.edges import hold
from soil_pyg.transforms.utils import (
    SimilarityTransform,
    build_in_one_pass,
    unit_features,
)
from soil_pyg.typing import INTERACTS, ITEM, SECOND_ORDER, USER
from soil_pyg.utils.checks import check_at_least, check_choice, check_flag
from soil_pyg.utils.data_checks import count_nodes

USER_ITEM: EdgeType = (USER, "user_item", ITEM)
AGGREGATION: EdgeType = (USER, "aggregation", ITEM)


def item_item(modality: str) -> EdgeType:
    """Returns the edge type of the item-item graph of a modality (Eq. 10)."""
    return (ITEM, f"{modality}_item_item", ITEM)


class SOILGraphs(SimilarItemGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.SOIL`.

    They are the user-item graph :math:`\mathrm{sym}(\mathbf{R}) + \mathrm{sym}(\mathbf{R}_a)`
    (Eq. 4-5), the graph over which users aggregate the views of items (Eq. 13), and for each
    modality the item-item graph :math:`\mathrm{sym}(\hat{\mathbf{S}}_m) +
    \mathrm{sym}(\tilde{\mathbf{S}}_m)` (Eq. 10).

    Args:
        k (int, optional): Neighbours per item in the similarity graphs. (default: :obj:`10`)
        k_i (int, optional): Items of interest per user and modality. (default: :obj:`10`)
        k_a (int, optional): Second-order items per user. (default: :obj:`2`)
        modalities (list[str], optional): The modalities. (default: :obj:`None`, all of the data)
        negative (str, optional): :obj:`"drop"` leaves similarities that are not positive out of
            all weighted graphs, :obj:`"keep"` keeps them. (default: :obj:`"drop"`)
        aggr (str, optional): See :class:`~soil_pyg.transforms.SecondOrderGraph`
            (released: :obj:`"sum"`). (default: :obj:`"max"`)
        exclude_interacted (bool, optional): See :class:`~soil_pyg.transforms.SecondOrderGraph`
            (released: :obj:`False`). (default: :obj:`True`)
        second_order_scale (float, optional): The factor of the second-order graph in the user-item
            graph, and in the aggregation unless that is :obj:`"sum"` (released: :obj:`0.5`).
            (default: :obj:`1.0`)
        interest_scale (float, optional): The factor of the interest graphs in the item-item graphs.
            (default: :obj:`1.0`)
        aggregation (str, optional): The graph of Eq. 13: :obj:`"sum"` for :math:`\mathbf{R} +
            \mathbf{R}_a` as in the paper, :obj:`"sym"` for the user-item graph, or
            :obj:`"sym_user_index"` as released. (default: :obj:`"sum"`)
        weight_by_users (bool, optional): See :class:`~soil_pyg.transforms.InterestGraph`
            (released: :obj:`True`). (default: :obj:`False`)
        second_order (bool, optional): If set to :obj:`False`, leaves the second-order graph out, as
            in the ablation of Table 3. (default: :obj:`True`)
        interest (bool, optional): If set to :obj:`False`, leaves the interest graphs out, as in
            the ablation of Table 3. (default: :obj:`True`)
        min_weight (float, optional): The lower bound of the normalised weights of similarities
            (released: :obj:`1e-7`). (default: :obj:`0.0`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.

    Raises:
        ValueError: If an option is out of its range, or there are more items than users with
            :obj:`aggregation="sym_user_index"`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        k_i: int = 10,
        k_a: int = 2,
        modalities: list[str] | None = None,
        negative: str = "drop",
        aggr: str = "max",
        exclude_interacted: bool = True,
        second_order_scale: float = 1.0,
        interest_scale: float = 1.0,
        aggregation: str = "sum",
        weight_by_users: bool = False,
        second_order: bool = True,
        interest: bool = True,
        min_weight: float = 0.0,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_choice("aggregation", aggregation, ("sum", "sym", "sym_user_index"))
        for name, scale in ("second_order", second_order_scale), ("interest", interest_scale):
            check_at_least(f"{name}_scale", scale, 0)
        check_at_least("min_weight", min_weight, 0)
        check_flag("second_order", second_order)
        check_flag("interest", interest)
        super().__init__(k, modalities, negative, **search_options)
        self.second_order_scale = second_order_scale
        self.interest_scale = interest_scale
        self.aggregation = aggregation
        self.second_order = second_order
        self.interest = interest
        self.min_weight = min_weight
        self.search_options = SearchOptions(**search_options)
        self.second_order_graph = SecondOrderGraph(
            k_a, aggr, exclude_interacted, modalities, negative, **search_options
        )
        self.interest_graph = InterestGraph(
            k_i, weight_by_users, modalities, negative, to_adjacency=True, **search_options
        )

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        num_users, num_items = count_nodes(data, USER), count_nodes(data, ITEM)
        if self.aggregation == "sym_user_index" and num_items > num_users:
            raise ValueError(
                "aggregation='sym_user_index' needs at least as many users as items "
                f"(got {num_users} and {num_items}); use aggregation='sym' or 'sum'"
            )
        # The largest graphs first, while the least is held beside them.
        data = self._item_item(self._similarity_graphs(data))
        return self._aggregation(self._user_item(data))

    def _similarity_graphs(self, data: HeteroData) -> HeteroData:
        features = unit_features(data, self.modalities, ITEM)
        transforms: list[SimilarityTransform[Any]] = [self.similarity_graph]
        if self.second_order:
            transforms.append(self.second_order_graph)
        if self.interest:
            transforms.append(self.interest_graph)
        return build_in_one_pass(data, features, transforms, self.search_options)

    def _user_item(self, data: HeteroData) -> HeteroData:
        data = NormalizeGraph([INTERACTS])(data)
        if self.second_order:
            data = NormalizeGraph([SECOND_ORDER], min_weight=self.min_weight)(data)
        return self._sum(data, USER_ITEM, "norm_weight", "norm_weight")

    def _aggregation(self, data: HeteroData) -> HeteroData:
        if self.aggregation == "sum":
            return self._sum(data, AGGREGATION, None, "edge_weight", scale=1.0)
        attr = "aggregation_weight"
        if self.second_order:
            data = NormalizeGraph([SECOND_ORDER], self.aggregation, self.min_weight, attr)(data)
        return self._sum(data, AGGREGATION, "norm_weight", attr)

    def _sum(
        self,
        data: HeteroData,
        out: EdgeType,
        first: str | None,
        second: str,
        scale: float | None = None,
    ) -> HeteroData:
        # First-order edges and, unless left out, the scaled second-order ones.
        terms, scales = {INTERACTS: first}, [1.0]
        if self.second_order:
            terms[SECOND_ORDER] = second
            scales.append(self.second_order_scale if scale is None else scale)
        return SumGraph(terms, out, scales, to_adjacency=True)(data)

    def _item_item(self, data: HeteroData) -> HeteroData:
        # In place, by forward(): copies of the data would hold the graphs that are deleted.
        for modality in self.names(data):
            graphs = [similar(modality)]
            if self.interest:
                graphs.append((ITEM, f"{modality}_interest", ITEM))
            if data[graphs[0]].search["index"] != "Flat":
                trim_heap()
            NormalizeGraph(graphs, min_weight=self.min_weight).forward(data)
            if self.interest:
                _keep_normalised_weights(data, graphs[-1])
            out = item_item(modality)
            scales = [1.0, self.interest_scale][: len(graphs)]
            terms: dict[EdgeType, str | None] = dict.fromkeys(graphs, "norm_weight")
            SumGraph(terms, out, scales, to_adjacency=True).forward(data)
            data[out].search = data[graphs[-1]].search
            if self.interest:
                del data[graphs[-1]]
        return data

    def __repr__(self) -> str:
        graphs = [self.similarity_graph, self.second_order_graph, self.interest_graph]
        return f"{self.__class__.__name__}({', '.join(map(str, graphs))})"


def _keep_normalised_weights(data: HeteroData, edge_type: EdgeType) -> None:
    # The weights before would be as large, and nothing reads them.
    matrix = data[edge_type].adjacency
    weight = data[edge_type].norm_weight
    normalised = Adjacency(matrix.rowptr, matrix.col, weight, matrix.size[1])
    hold(data, edge_type, normalised, is_source=True)
