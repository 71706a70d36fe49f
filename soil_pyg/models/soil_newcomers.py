"""Embeddings of items and users that :class:`~soil_pyg.models.SOIL` was not trained on."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import SOIL
from soil_pyg.models.decompose import messages
from soil_pyg.models.graphs import adjacency, features, similar
from soil_pyg.models.nearest_known import mean_of_neighbours, row_sums, to_mean
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, SOILGraphs, item_item
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.second_order_items import SecondOrderSelection
from soil_pyg.transforms.utils import unit_features
from soil_pyg.typing import INTERACTS, ITEM, SECOND_ORDER, USER


@torch.no_grad()
def embed_new_items(
    model: SOIL,
    data: HeteroData,
    options: dict[str, Any],
    new: dict[str, Tensor],
    similarities: dict[str, Adjacency],
) -> Tensor:
    """Returns the embeddings of new items, as :func:`soil_pyg.add_items` defines them.

    Args:
        model (SOIL): The trained model.
        data (HeteroData): The data with its graphs.
        options (dict[str, Any]): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
        new (dict[str, Tensor]): The features of the new items by modality, zeros where they lack
            it.
        similarities (dict[str, Adjacency]): Their similarities to the nearest known items.
    """
    item = model.item_embedding.weight
    new_item = mean_of_neighbours(similarities, item)
    known_content = model.propagation(
        (model.user_embedding.weight, item), adjacency(data, USER_ITEM)
    )
    content = mean_of_neighbours(similarities, known_content[1])
    views = []
    for modality in model.in_channels:
        gate, similarity = model.gates[modality], similarities[modality]
        known, view = gate(features(data, modality), item), gate(new[modality], new_item)
        both = adjacency(data, item_item(modality))
        edges = data[similar(modality)]
        size = (item.size(0), item.size(0))
        alike = Adjacency.from_edge_index(edges.edge_index, edges.norm_weight, size)
        row, own = _similarity_rows(similarity, edges, **options)
        mean = to_mean(similarity)
        for _ in range(model.num_item_layers):
            # What the item-item graph adds beyond similarity depends on users, whom only the
            # neighbours have.
            through_users = mean @ (both @ known - alike @ known)
            view = row @ known + own.unsqueeze(1) * view + through_users
            known = both @ known
        views.append(view)
    return content + model.fusion(views)


def _similarity_rows(
    similarity: Adjacency, edges: Any, k: int, min_weight: float, **_: Any
) -> tuple[Adjacency, Tensor]:
    # The rows of new items in the normalised similarity graph, and their own places on its
    # diagonal. The item itself is the first of its k neighbours.
    num_new, num_items = similarity.size
    row, col = similarity.row(), similarity.col.long()
    order = torch.argsort(similarity.weight, descending=True, stable=True)
    order = order[torch.argsort(row[order], stable=True)]
    rank = torch.empty_like(row)
    rank[order] = torch.arange(len(row)) - similarity.rowptr[:-1].long()[row[order]]
    keep = rank < k - 1
    kept = torch.stack([col[keep], row[keep]])
    rows = Adjacency.from_edge_index(kept, similarity.weight[keep], (num_items, num_new))
    has = similarity.rowptr.diff() > 0
    degree = 1 + row_sums(rows)
    known = torch.zeros(num_items, dtype=torch.float64)
    known = known.index_add_(0, edges.edge_index[1], edges.edge_weight.double()).float()
    weight = rows.weight * (degree[rows.row()] * known[rows.col.long()]).rsqrt()
    rows.weight = weight.clamp(min=min_weight) if min_weight > 0 else weight
    return rows, (1 / degree).masked_fill(~has, 0.0)


@torch.no_grad()
def embed_new_users(
    model: SOIL, data: HeteroData, options: dict[str, Any], edge_index: Tensor, num_new: int
) -> Tensor:
    """Returns the embeddings of new users, as :func:`soil_pyg.add_users` defines them.

    Args:
        model (SOIL): The trained model.
        data (HeteroData): The data with its graphs.
        options (dict[str, Any]): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
        edge_index (Tensor): The interactions of the new users, who are counted from 0.
        num_new (int): The number of new users.
    """
    graphs = _UserGraphs(**options)
    extended = extend_users(data, edge_index, num_new)
    if graphs.second_order:
        user, item, weight = _second_order(data, graphs, edge_index, num_new)
        store = data[SECOND_ORDER]
        later = torch.stack([user + data[USER].num_nodes, item])
        extended[SECOND_ORDER].edge_index = torch.cat([store.edge_index, later], dim=1)
        extended[SECOND_ORDER].edge_weight = torch.cat([store.edge_weight, weight])
    extended = graphs(extended)
    x = model.user_embedding.weight, model.item_embedding.weight
    known = adjacency(data, USER_ITEM)
    content = rows_of_new(extended, USER_ITEM, num_new) @ messages(model.propagation, x, known)
    aggregation = rows_of_new(extended, AGGREGATION, num_new)
    views = [aggregation @ view for view in model.propagate(data)[2]]
    return content + model.fusion(views)


def extend_users(data: HeteroData, edge_index: Tensor, num_new: int) -> HeteroData:
    """Returns the interactions of known and of new users together.

    Args:
        data (HeteroData): The data.
        edge_index (Tensor): The interactions of the new users, who are counted from 0.
        num_new (int): The number of new users.
    """
    num_users = data[USER].num_nodes
    later = torch.stack([edge_index[0] + num_users, edge_index[1]])
    out = HeteroData()
    out[USER].num_nodes = num_users + num_new
    out[ITEM].num_nodes = data[ITEM].num_nodes
    out[INTERACTS].edge_index = torch.cat([data[INTERACTS].edge_index, later], dim=1)
    return out


def rows_of_new(data: HeteroData, edge_type: tuple[str, str, str], num_new: int) -> Adjacency:
    """Returns the rows of a graph that belong to the last users.

    Args:
        data (HeteroData): The data with the graph.
        edge_type (tuple): Its edge type, from users to items.
        num_new (int): The number of the users.
    """
    rows = adjacency(data, edge_type).t()
    return rows.select_rows(torch.arange(rows.size[0] - num_new, rows.size[0]))


def _second_order(
    data: HeteroData, graphs: SOILGraphs, edge_index: Tensor, num_new: int
) -> tuple[Tensor, Tensor, Tensor]:
    # Users, items and weights. Only the rows of the users' own items are made, all exactly.
    found = graphs.second_order_graph
    memory_budget = graphs.search_options.memory_budget
    rows = AttractivenessRows(unit_features(data, graphs.modalities, ITEM), memory_budget)
    rows.start_empty()
    order = torch.argsort(edge_index[0] * rows.num_items + edge_index[1])
    user, item = edge_index[:, order]
    pools = SecondOrderSelection(
        rows,
        user,
        item,
        num_new,
        found.k_a,
        found.aggr,
        found.exclude_interacted,
        found.negative,
    )
    key, weight = pools.best(memory_budget)
    return key // rows.num_items, key % rows.num_items, weight


class _UserGraphs(SOILGraphs):
    """Makes the graphs of users from second-order items that are there already."""

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        return self._aggregation(self._user_item(data))
