import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.new_user_rows import NewUserRows, item_degree, user_factor
from soil_pyg.models.soil_graphs import SOILGraphs
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.ragged import index2ptr, sum_by_key
from soil_pyg.transforms.utils import unit_features
from soil_pyg.typing import ITEM, SECOND_ORDER, USER
from soil_pyg.utils.data_checks import count_nodes


class SOILUserRows:
    """The rows of new users in the user-item graph and in the aggregation of
    :class:`~soil_pyg.models.soil_graphs.SOILGraphs`, with their second-order items among all known
    items.

    Args:
        data (HeteroData): The known data with its graphs.
        graphs (SOILGraphs): The transform that built them.
    """

    def __init__(self, data: HeteroData, graphs: SOILGraphs) -> None:
        self.graphs = graphs
        self.num_items = count_nodes(data, ITEM)
        self.interactions = NewUserRows(item_degree(data))
        if not graphs.second_order:
            return
        features = unit_features(data, graphs.modalities, ITEM)
        self.attractiveness = AttractivenessRows(features, graphs.search_options.memory_budget)
        (user, item), weight = data[SECOND_ORDER].edge_index, data[SECOND_ORDER].edge_weight
        of_item, of_user = (
            torch.zeros(count_nodes(data, kind), dtype=torch.float64).index_add_(
                0, node, weight.double()
            )
            for kind, node in ((ITEM, item), (USER, user))
        )
        self.second_order = NewUserRows(of_item)
        self.user_index_factor = of_user.pow(-0.5).where(of_user > 0, 0.0).float()

    def __call__(self, edge_index: Tensor, num_new_users: int) -> tuple[Adjacency, Adjacency]:
        """Returns both rows of users with interactions that are numbered from 0."""
        first, aggregation = self.interactions(edge_index, num_new_users), self.graphs.aggregation
        ones = torch.ones_like(first.weight)
        if not self.graphs.second_order:
            plain = Adjacency(first.rowptr, first.col, ones, self.num_items)
            return first, plain if aggregation == "sum" else first
        second = self._second_order(edge_index, num_new_users)
        content = self._sum(first, first.weight, second, self.second_order.normalize(second))
        if aggregation == "sym":
            return content, content
        if aggregation == "sum":
            return content, self._add(first, ones, second, second.weight)
        factor = self.user_index_factor[second.col.long()]
        weight = user_factor(second) * second.weight * factor
        return content, self._sum(first, first.weight, second, weight)

    def _second_order(self, edge_index: Tensor, num_new_users: int) -> Adjacency:
        # All rows of the new users' items are computed exactly.
        rows = self.attractiveness.emptied()
        key, weight = self.graphs.second_order_graph.select(rows, edge_index, num_new_users)
        return self._matrix(key, weight, num_new_users)

    def _sum(
        self, first: Adjacency, weight: Tensor, second: Adjacency, normalised: Tensor
    ) -> Adjacency:
        if self.graphs.min_weight > 0:
            normalised = normalised.clamp(min=self.graphs.min_weight)
        return self._add(first, weight, second, self.graphs.second_order_scale * normalised)

    def _add(self, first: Adjacency, weight: Tensor, second: Adjacency, other: Tensor) -> Adjacency:
        # An item may be both bought and second-order.
        key = torch.cat([x.row() * self.num_items + x.col for x in (first, second)])
        key, total = sum_by_key(key, torch.cat([weight, other]))
        return self._matrix(key, total.float(), first.size[0])

    def _matrix(self, key: Tensor, weight: Tensor, num_rows: int) -> Adjacency:
        row = key // self.num_items
        return Adjacency(index2ptr(row, num_rows), key % self.num_items, weight, self.num_items)
