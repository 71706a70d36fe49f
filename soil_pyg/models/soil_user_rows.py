import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.new_user_rows import NewUserRows, user_factor
from soil_pyg.models.soil_graphs import SOILGraphs
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.degrees import item_degree
from soil_pyg.ops.keys import sum_by_key
from soil_pyg.ops.ragged import index2ptr
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
        self.graphs, self.num_items = graphs, count_nodes(data, ITEM)
        self.interactions = NewUserRows(item_degree(data))
        if graphs.second_order:
            features = unit_features(data, graphs.modalities, ITEM)
            self.attractiveness = AttractivenessRows(features, graphs.search_options.memory_budget)
            user, item = data[SECOND_ORDER].edge_index
            weight = data[SECOND_ORDER].edge_weight.double()
            self.second_order = NewUserRows(torch.bincount(item, weight, self.num_items))
            of_user = torch.bincount(user, weight, count_nodes(data, USER))
            self.user_factor = of_user.pow(-0.5).where(of_user > 0, 0.0).float()

    def __call__(self, edge_index: Tensor, num_new_users: int) -> tuple[Adjacency, Adjacency]:
        """Returns both rows of users with interactions that are numbered from 0."""
        first, aggregation = self.interactions(edge_index, num_new_users), self.graphs.aggregation
        ones = torch.ones_like(first.weight)
        plain = Adjacency(first.rowptr, first.col, ones, self.num_items)
        if not self.graphs.second_order:
            return first, plain if aggregation == "sum" else first
        # All rows of the new users' items are computed exactly.
        rows = self.attractiveness.emptied()
        found = self.graphs.second_order_graph.select(rows, edge_index, num_new_users)
        second = self._matrix(*found, num_new_users)
        content = self._sum(first, second, self._scaled(self.second_order.normalize(second)))
        if aggregation == "sym":
            return content, content
        if aggregation == "sum":
            return content, self._sum(plain, second, second.weight)
        # As released: the factor of item number j is that of user number j.
        weight = user_factor(second) * second.weight * self.user_factor[second.col.long()]
        return content, self._sum(first, second, self._scaled(weight))

    def _scaled(self, weight: Tensor) -> Tensor:
        bounded = weight.clamp(min=self.graphs.min_weight or -torch.inf)
        return self.graphs.second_order_scale * bounded

    def _sum(self, first: Adjacency, second: Adjacency, weight: Tensor) -> Adjacency:
        # An item may be both bought and second-order.
        key = torch.cat([x.row() * self.num_items + x.col for x in (first, second)])
        key, total = sum_by_key(key, torch.cat([first.weight, weight]))
        return self._matrix(key, total.float(), first.size[0])

    def _matrix(self, key: Tensor, weight: Tensor, num_rows: int) -> Adjacency:
        rowptr = index2ptr(key // self.num_items, num_rows)
        return Adjacency(rowptr, key % self.num_items, weight, self.num_items)
