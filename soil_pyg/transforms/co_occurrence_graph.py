import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.ops.keys import sum_by_key
from soil_pyg.ops.ragged import budget_blocks, concat_ranges, index2ptr
from soil_pyg.ops.topk import best_of_each_row
from soil_pyg.transforms.edges import distinct_edges
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import (
    check_at_least,
    check_choice,
    check_edge_type,
    check_flag,
    check_integer,
)
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.progress import blocks


@functional_transform("co_occurrence_graph")
class CoOccurrenceGraph(BaseTransform):
    r"""Links each item with the items that share the most users, or each user with the users that
    share the most items.

    .. math::
        s_{ij} = \frac{\sum_{u \in \mathcal{U}(i) \cap \mathcal{U}(j)} |\mathcal{I}(u)|^{-p}}
        {(|\mathcal{U}(i)| |\mathcal{U}(j)|)^{q} + \lambda}

    By default, with :math:`p = 0` and :math:`q = 0.5`, it is the cosine from `"Item-Based Top-N
    Recommendation Algorithms" <https://doi.org/10.1145/963770.963776>`_ (functional name:
    :obj:`co_occurrence_graph`). Ties go to the smaller id. Edges run neighbour -> item, are sorted
    by item and named :obj:`(item, "co_occurrence", item)`; those of users likewise.

    Args:
        k (int, optional): The number of neighbours, fewer where fewer share a user.
            (default: :obj:`20`)
        shrink (float, optional): :math:`\lambda`. (default: :obj:`0.0`)
        edge_type (tuple, optional): The edge type of the interactions, user -> item.
            (default: :obj:`("user", "interacts", "item")`)
        memory_budget (int, optional): The number of bytes per block. (default: :obj:`2**30`)
        nodes (str, optional): The nodes to link: :obj:`"target"`, the items, or :obj:`"source"`,
            the users. (default: :obj:`"target"`)
        shared_power (float, optional): :math:`p`, which makes users with many items count less.
            (default: :obj:`0.0`)
        node_power (float, optional): :math:`q`. (default: :obj:`0.5`)
        self_loops (bool, optional): If set to :obj:`True`, the item itself is a candidate.
            (default: :obj:`False`)

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 2, 3
        >>> edge_index = torch.tensor([[0, 0, 1], [0, 1, 1]])
        >>> data["user", "interacts", "item"].edge_index = edge_index
        >>> data = CoOccurrenceGraph(k=1)(data)
        >>> data["item", "co_occurrence", "item"].edge_index
        tensor([[1, 0], [0, 1]])
    """

    def __init__(
        self,
        k: int = 20,
        shrink: float = 0.0,
        edge_type: EdgeType = INTERACTS,
        memory_budget: int = 2**30,
        nodes: str = "target",
        shared_power: float = 0.0,
        node_power: float = 0.5,
        self_loops: bool = False,
    ) -> None:
        check_integer("k", k, 1)
        check_at_least("shared_power", shared_power, 0)
        check_at_least("node_power", node_power, 0)
        check_flag("self_loops", self_loops)
        check_at_least("shrink", shrink, 0)
        check_edge_type("edge_type", edge_type)
        check_integer("memory_budget", memory_budget, 1)
        check_choice("nodes", nodes, ("target", "source"))
        self.k = k
        self.shrink = shrink
        self.edge_type = edge_type
        self.memory_budget = memory_budget
        self.nodes = nodes
        self.shared_power = shared_power
        self.node_power = node_power
        self.self_loops = self_loops

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graph to the data."""
        shared, node = distinct_edges(data, self.edge_type)
        shared_type, _, node_type = self.edge_type
        if self.nodes == "source":
            shared, node, shared_type, node_type = node, shared, node_type, shared_type
        num_shared, num_nodes = count_nodes(data, shared_type), count_nodes(data, node_type)
        check_integer(f"data[{node_type!r}].num_nodes", num_nodes, 1)
        node_of_shared = node[torch.argsort(shared * num_nodes + node)]
        pointer = index2ptr(shared, num_shared)
        weight_of_shared = pointer.diff().double() ** -self.shared_power
        order = torch.argsort(node * num_shared + shared)
        shared, node = shared[order], node[order]
        first = index2ptr(node, num_nodes)
        degree = first.diff()
        width = pointer.diff()[shared]
        cost = torch.zeros_like(degree).index_add_(0, node, width)
        rows, columns, weights = [], [], []
        cuts = budget_blocks(cost, self.memory_budget // 64)
        for step in blocks(len(cuts), 1, f"counting shared {shared_type}s"):
            cut = cuts[step.start]
            edges = slice(int(first[cut.start]), int(first[cut.stop]))
            position, owner = concat_ranges(pointer[shared[edges]], width[edges])
            key = (node[edges][owner] - cut.start) * num_nodes + node_of_shared[position]
            num_keys = (cut.stop - cut.start) * num_nodes
            key, total = _sum(key, weight_of_shared[shared[edges]][owner], num_keys)
            row, column = key // num_nodes + cut.start, key % num_nodes
            if not self.self_loops:
                other = row != column
                row, column, total = row[other], column[other], total[other]
            norm = (degree[row] * degree[column]).double() ** self.node_power + self.shrink
            value, neighbour = best_of_each_row(
                row - cut.start, column, (total / norm).float(), cut.stop - cut.start, self.k
            )
            found = neighbour >= 0
            rows.append(found.nonzero()[:, 0] + cut.start)
            columns.append(neighbour[found])
            weights.append(value[found])
        row, column, weight = torch.cat(rows), torch.cat(columns), torch.cat(weights)
        order = torch.argsort(row * num_nodes + column)
        store = data[node_type, "co_occurrence", node_type]
        store.edge_index = torch.stack([column[order], row[order]])
        store.edge_weight = weight[order]
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(k={self.k}, shrink={self.shrink})"


def _sum(key: Tensor, weight: Tensor, num_keys: int) -> tuple[Tensor, Tensor]:
    # The ascending distinct keys and the sum of the positive weights of each.
    if num_keys > 4 * key.numel():
        return sum_by_key(key, weight)
    # Counting needs no sort where most keys occur.
    total = torch.bincount(key, weight, minlength=num_keys)
    key = total.nonzero().view(-1)
    return key, total[key]
