import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType
from torch_geometric.utils import cumsum

from soil_pyg.models.graphs import adjacency
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.ragged import budget_blocks
from soil_pyg.ops.sampled_adjacency import SampledAdjacency, column_totals, row_totals
from soil_pyg.typing import FEATURE_PREFIX, ITEM, USER
from soil_pyg.utils.data_checks import count_nodes

BLOCK_ENTRIES = 2**20
"""The number of entries of a graph that are selected at a time, which fits a processor's cache."""


class SubgraphSampler:
    r"""Samples the data of a set of nodes, for training: their features and the subgraphs of the
    prepared graphs that they induce.

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
        self.graphs: dict[EdgeType, Adjacency] = {
            edge_type: adjacency(data, edge_type)
            for edge_type, store in data.edge_items()
            if "adjacency" in store
        }
        # Of users, who are many, the totals of a sample are added up when it is drawn.
        graphs = self.graphs.items()
        self._rows = {kind: row_totals(graph) for kind, graph in graphs if kind[2] == ITEM}
        self._columns = {kind: column_totals(graph) for kind, graph in graphs if kind[0] == ITEM}

    def sample(self, nodes: dict[str, Tensor]) -> HeteroData:
        """Returns the data of the nodes, whose indices are given for every node type."""
        sample = HeteroData()
        for node_type, n_id in nodes.items():
            sample[node_type].num_nodes, sample[node_type].n_id = n_id.numel(), n_id
            for name, value in self.data[node_type].items():
                if name.startswith(FEATURE_PREFIX):
                    sample[node_type][name] = value.index_select(0, n_id)
        position: dict[str, Tensor] = {}
        for edge_type, graph in self.graphs.items():
            source, _, target = edge_type
            # Rows of users first: few of their edges leave the sample.
            row, column = (source, target) if source == USER else (target, source)
            if column not in position:
                position[column] = positions(nodes[column], count_nodes(self.data, column))
            directed = graph.t() if source == USER else graph
            part = _select(directed, nodes[row], position[column], nodes[column])
            part = part.t() if source == USER else part
            sample[edge_type].adjacency = SampledAdjacency(
                part,
                _scale(row_totals(part), self._row_totals(edge_type, nodes[target])),
                _scale(column_totals(part), self._column_totals(edge_type, nodes[source])),
            )
        return sample

    def _row_totals(self, edge_type: EdgeType, index: Tensor) -> Tensor:
        if edge_type in self._rows:
            return self._rows[edge_type][index]
        return row_totals(self.graphs[edge_type].select_rows(index))

    def _column_totals(self, edge_type: EdgeType, index: Tensor) -> Tensor:
        if edge_type in self._columns:
            return self._columns[edge_type][index]
        columns = self.graphs[edge_type].t().select_rows(index)
        weight = columns.weight.detach().abs()
        # In the order of 'column_totals', so that a sample of all nodes is not scaled.
        return weight.new_zeros(index.numel()).index_add_(0, columns.row(), weight)

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
