from collections.abc import Iterator

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType
from torch_geometric.utils import cumsum
from typing_extensions import Unpack

from soil_pyg.models.graphs import SimilarItemGraphs, similar
from soil_pyg.models.item_knn import CO_OCCURRENCE
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.keys import sum_by_key
from soil_pyg.ops.ragged import budget_blocks, concat_ranges
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.ops.topk import best_of_each_row
from soil_pyg.transforms import CoOccurrenceGraph
from soil_pyg.transforms.edges import hold
from soil_pyg.typing import ITEM
from soil_pyg.utils.checks import (
    check_at_least,
    check_between,
    check_greater,
    check_integer,
    check_number,
)
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.progress import blocks

FILTER: EdgeType = (ITEM, "filter", ITEM)
"""The response of the graph filter."""

BYTES_PER_ENTRY = 64
"""The memory that an entry of a block takes while entries are merged."""


class MMGFGraphs(SimilarItemGraphs):
    r"""Builds the graph filter of :class:`~soil_pyg.models.MMGF`, in blocks of its rows.

    Args:
        k (int, optional): The number of entries that are kept per row of each graph and of the
            filter. (default: :obj:`200`)
        modalities (list[str], optional): The modalities. (default: :obj:`None`, all of the data)
        k_modality (int, optional): The number of the most similar items by a modality.
            (default: :obj:`10`)
        alpha (float, optional): The share :math:`\alpha` of the normalisation that the users get;
            the items get the rest. (default: :obj:`0.9`)
        power (float, optional): The exponent :math:`s` of every entry of a graph.
            (default: :obj:`0.5`)
        modality_weight (float, optional): The weight :math:`w` of each modality.
            (default: :obj:`0.05`)
        quadratic, cubic (float, optional): The coefficients :math:`a_2` and :math:`a_3`.
            (default: :obj:`0.0`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 200,
        modalities: list[str] | None = None,
        k_modality: int = 10,
        alpha: float = 0.9,
        power: float = 0.5,
        modality_weight: float = 0.05,
        quadratic: float = 0.0,
        cubic: float = 0.0,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_integer("k", k, 1)
        check_integer("k_modality", k_modality, 1)
        check_between("alpha", alpha, 0, 1)
        check_greater("power", power, 0)
        check_at_least("modality_weight", modality_weight, 0)
        check_number("quadratic", quadratic)
        check_number("cubic", cubic)
        super().__init__(k_modality, modalities, **search_options)
        self.memory_budget = self.similarity_graph.search_options.memory_budget
        self.co_occurrence_graph = CoOccurrenceGraph(
            k,
            memory_budget=self.memory_budget,
            shared_power=2 * alpha,
            node_power=1 - alpha,
            self_loops=True,
        )
        self.k = k
        self.power = power
        self.modality_weight = modality_weight
        self.coefficients = [1.0, quadratic, cubic]
        while self.coefficients[-1] == 0:
            self.coefficients.pop()

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs and the filter to the data."""
        data = self.co_occurrence_graph(data)
        scales: dict[EdgeType, float] = {CO_OCCURRENCE: 1.0}
        if self.modality_weight > 0:
            data = self.similarity_graph(data)
            scales |= {similar(name): self.modality_weight for name in self.names(data)}
        num_items, graphs = count_nodes(data, ITEM), []
        for edge_type in scales:
            store, size = data[edge_type], (num_items, num_items)
            weight = store.edge_weight.double() ** self.power
            graphs.append(Adjacency.from_edge_index(store.edge_index, weight, size))
        matrix = self._sum_of_filters(graphs, list(scales.values()))
        hold(data, FILTER, matrix, is_source=True)
        return data

    def _sum_of_filters(self, graphs: list[Adjacency], scales: list[float]) -> Adjacency:
        num_items = graphs[0].size[0]
        cost = sum(_cost(graph, len(self.coefficients)) for graph in graphs)
        cuts = budget_blocks(torch.as_tensor(cost), self.memory_budget // BYTES_PER_ENTRY)
        counts, columns, weights = [], [], []
        for step in blocks(len(cuts), 1, "filtering"):
            rows = cuts[step.start]
            keys, values = [], []
            for graph, scale in zip(graphs, scales, strict=True):
                for key, weight in self._respond(graph, rows):
                    keys.append(key)
                    values.append(scale * weight)
            key, value = sum_by_key(torch.cat(keys), torch.cat(values))
            row, num_rows = key // num_items - rows.start, rows.stop - rows.start
            best, column = best_of_each_row(
                row, key % num_items, value.float(), num_rows, min(self.k, num_items)
            )
            found = column >= 0
            counts.append(found.sum(dim=1))
            columns.append(column[found])
            weights.append(best[found])
        pointer = cumsum(torch.cat(counts))
        return Adjacency(pointer, torch.cat(columns), torch.cat(weights), num_items)

    def _respond(self, graph: Adjacency, rows: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the entries of each term of the polynomial in some rows: row times the number of
        items plus column, and weight.
        """
        num_items, length = graph.size[0], graph.rowptr.diff().long()
        edges = slice(int(graph.rowptr[rows.start]), int(graph.rowptr[rows.stop]))
        row = torch.arange(rows.start, rows.stop, device=length.device)
        row = row.repeat_interleave(length[rows])
        column, weight = graph.col[edges].long(), graph.weight[edges]
        for number, coefficient in enumerate(self.coefficients):
            if number > 0:
                entry, owner = concat_ranges(graph.rowptr[column].long(), length[column])
                key = row[owner] * num_items + graph.col[entry].long()
                key, weight = sum_by_key(key, weight[owner] * graph.weight[entry])
                row, column = key // num_items, key % num_items
            yield row * num_items + column, coefficient * weight

    def __repr__(self) -> str:
        name = self.__class__.__name__
        return f"{name}(k={self.k}, power={self.power}, modality_weight={self.modality_weight})"


def _cost(graph: Adjacency, order: int) -> Tensor:
    """Returns the number of entries that are merged for each row, at most."""
    length = graph.rowptr.diff().long()
    cost, total = length, length.clone()
    for _ in range(order - 1):
        cost = torch.zeros_like(length).index_add_(0, graph.row(), cost[graph.col.long()])
        total += cost
    return total
