import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.utils import cumsum

from soil_pyg.models.graphs import adjacency
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.ragged import budget_blocks
from soil_pyg.ops.sampled_adjacency import SampledAdjacency, column_totals, row_totals
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER
from soil_pyg.utils.data_checks import check_edges, count_nodes

BLOCK_ENTRIES = 2**20
"""The number of entries of a graph that are selected at a time, which fits a processor's cache."""


class SubgraphSampler:
    r"""Samples the data of a set of nodes, for training: their features, their training
    interactions, and the subgraphs of the prepared graphs that they induce.

    The weights of the neighbours that are kept are scaled to the total weight of all neighbours:

    .. math::
        \mathbf{x}^{\prime}_i = \frac{\sum_{j} |a_{ij}|}{\sum_{j \in \mathcal{S}} |a_{ij}|}
        \sum_{j \in \mathcal{S}} a_{ij} \mathbf{x}_j

    with :math:`\mathcal{S}` the set of nodes. Nodes are renumbered in the order given;
    :obj:`n_id` holds their original indices, as in the batches of PyG's loaders. The graphs of the
    data are those that :class:`~soil_pyg.transforms.ToAdjacency` has prepared.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> from soil_pyg.models import LightGCN
        >>> data = LightGCN.graph_transform()(SyntheticMultimodal(40, 30)[0])
        >>> nodes = {"user": torch.tensor([2]), "item": torch.arange(3)}
        >>> sample = SubgraphSampler(data).sample(nodes)
        >>> sample["user", "interacts", "item"].adjacency.size
        (3, 1)
    """

    def __init__(self, data: HeteroData) -> None:
        self.data = data
        self.graphs: dict[tuple[str, str, str], Adjacency] = {
            edge_type: adjacency(data, edge_type)
            for edge_type, store in data.edge_items()
            if "adjacency" in store
        }
        self._totals = {
            edge_type: (row_totals(graph), column_totals(graph))
            for edge_type, graph in self.graphs.items()
        }
        # Rows are users: their interactions are selected.
        item_to_user = check_edges(data).flip(0)
        size = count_nodes(data, ITEM), count_nodes(data, USER)
        self._interactions = Adjacency.from_edge_index(item_to_user, size=size)

    def sample(self, nodes: dict[str, Tensor]) -> HeteroData:
        """Returns the data of the nodes, whose indices are given for every node type."""
        sample = HeteroData()
        position = {}
        for node_type, n_id in nodes.items():
            sample[node_type].num_nodes, sample[node_type].n_id = n_id.numel(), n_id
            position[node_type] = positions(n_id, count_nodes(self.data, node_type))
            for name, value in self.data[node_type].items():
                if name.startswith(FEATURE_PREFIX):
                    sample[node_type][name] = value.index_select(0, n_id)
        for edge_type, graph in self.graphs.items():
            source, _, target = edge_type
            # Rows of users first: few of their edges leave the sample.
            if source == USER:
                part = _select(graph.t(), nodes[source], position[target], nodes[target]).t()
            else:
                part = _select(graph, nodes[target], position[source], nodes[source])
            total, total_t = self._totals[edge_type]
            sample[edge_type].adjacency = SampledAdjacency(
                part,
                _scale(row_totals(part), total[nodes[target]]),
                _scale(column_totals(part), total_t[nodes[source]]),
            )
        kept = _select(self._interactions, nodes[USER], position[ITEM], nodes[ITEM])
        sample[INTERACTS].edge_index = torch.stack([kept.row(), kept.col.long()])
        return sample

    def neighbours(self, node_type: str, index: Tensor, of_type: str) -> Tensor:
        """Returns the nodes of a type that share an edge with a node of :obj:`index`, which are of
        :obj:`node_type`, with repetitions.
        """
        found = [index.new_empty(0)]
        for (source, _, target), graph in self.graphs.items():
            if (source, target) == (of_type, node_type):
                found.append(graph.select_rows(index).col.long())
            if (source, target) == (node_type, of_type):
                found.append(graph.t().select_rows(index).col.long())
        return torch.cat(found)


def positions(index: Tensor, size: int) -> Tensor:
    """Returns the position of each of the numbers :obj:`0..size - 1` in the index, or -1."""
    position = index.new_full((size,), -1)
    position[index] = torch.arange(index.numel(), device=index.device)
    return position


def _scale(kept: Tensor, total: Tensor) -> Tensor:
    return torch.where(kept > 0, total / kept, torch.ones_like(total))


def _select(matrix: Adjacency, rows: Tensor, position: Tensor, columns: Tensor) -> Adjacency:
    cols, weights, counts = [rows[:0]], [matrix.weight[:0]], [rows[:0]]
    for block in budget_blocks(matrix.rowptr.diff()[rows], BLOCK_ENTRIES):
        some = matrix.select_rows(rows[block])
        col = position[some.col]
        kept = col >= 0
        cols.append(col[kept])
        weights.append(some.weight[kept])
        counts.append(cumsum(kept.long())[some.rowptr].diff())
    col, weight, count = map(torch.cat, (cols, weights, counts))
    return Adjacency(cumsum(count), col, weight, columns.numel())
