"""Embeddings of items and users that :class:`~soil_pyg.models.SOIL` was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage

from soil_pyg.models.graphs import MakeTransform, adjacency, similar, with_graphs
from soil_pyg.models.newcomers import (
    NewUserEmbedder,
    mean_of_neighbours,
    messages,
    row_sums,
    to_mean,
)
from soil_pyg.models.soil_graphs import USER_ITEM, SOILGraphs, item_item
from soil_pyg.models.soil_user_rows import SOILUserRows
from soil_pyg.ops.adjacency import Adjacency

if TYPE_CHECKING:
    from soil_pyg.models.soil import SOIL


def embed_new_items(
    self: SOIL,
    data: HeteroData,
    make_transform: MakeTransform,
    item_emb: Tensor,
    features: dict[str, Tensor],
    neighbours: dict[str, Adjacency],
) -> Tensor:
    r"""Returns the embeddings of new items.

    Quantities that depend on interactions are means over the neighbours; those that depend on
    features are computed from the features of the item. With :math:`\langle \cdot \rangle` for
    :func:`~soil_pyg.models.newcomers.mean_of_neighbours`, the embedding of a new item :math:`n` is
    :math:`\mathbf{x}_n = \langle \mathbf{x}_j \rangle`, its content embedding
    :math:`\mathbf{e}_n = \langle \mathbf{e}_j \rangle`, and each layer of a view

    .. math::
        \mathbf{v}_{m,n}^{(l)} = \sum_{j \in \mathcal{N}_m(n)} \frac{S_m[n, j] \,
        \mathbf{v}_{m,j}^{(l-1)}}{\sqrt{d_n d_j}} + \left\langle \left(\mathrm{sym}
        (\hat{\mathbf{S}}_m) \mathbf{V}_m^{(l-1)}\right)_j \right\rangle_m, \qquad
        \mathbf{v}_{m,n}^{(0)} = \mathbf{x}_n \odot g_m(\mathbf{f}_{m,n})

    with the gate :math:`g_m` of its features :math:`\mathbf{f}_{m,n}`. The first sum is the row
    that the similarity graph would have (:math:`n` itself and its :math:`k - 1` nearest items,
    :math:`d` the row sums); the rows of the interest graph depend on users and are replaced by the
    mean over the neighbours in that modality. The attention of the model fuses the views.
    """
    data = with_graphs(data, USER_ITEM, make_transform)
    transform = cast(SOILGraphs, make_transform())
    item = self.item_embedding.weight
    new_item = mean_of_neighbours(neighbours, item)
    _, known_content = self.propagation(self.tables, adjacency(data, USER_ITEM))
    content = mean_of_neighbours(neighbours, known_content)
    views = []
    for modality in self.in_channels:
        gate, similarity = self.gates[modality], neighbours[modality]
        new = features[modality].to(item.dtype)
        known, view = gate(self.item_features(data, modality), item), gate(new, new_item)
        both = adjacency(data, item_item(modality))
        edges = data[similar(modality)]
        size = (item.size(0), item.size(0))
        alike = Adjacency.from_edge_index(edges.edge_index, edges.norm_weight, size)
        k = transform.similarity_graph.k
        row, own = _similarity_rows(similarity, edges, k, transform.min_weight)
        mean = to_mean(similarity)
        for _ in range(self.num_item_layers):
            # Users shape the rest of the item-item graph, and only the neighbours have any.
            through_users = mean @ (both @ known - alike @ known)
            view = row @ known + own.unsqueeze(1) * view + through_users
            known = both @ known
        views.append(view)
    return content + self.fuse(content, views)


def _similarity_rows(
    similarity: Adjacency, edges: EdgeStorage, k: int, min_weight: float
) -> tuple[Adjacency, Tensor]:
    # The rows of new items in the normalised similarity graph, and their entries on its diagonal.
    # The item itself is the first of its k neighbours.
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


def new_user_embedder(
    self: SOIL, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
) -> NewUserEmbedder:
    r"""Folds new users into the graphs, with their second-order items among all known items.

    The normalisation then weights their edges; they receive messages and send none. Their own
    embedding, which is unknown, is zero. With :math:`\mathbf{A}` the user-item graph and
    :math:`\mathbf{B}` the aggregation,

    .. math::
        \mathbf{e}_v = \sum_j A_{vj} \, \frac{1}{L + 1} \sum_{l=0}^{L-1} (\mathbf{A}^l
        \mathbf{X})_j, \qquad \mathbf{v}_{m,v} = \sum_j B_{vj} \, \mathbf{v}_{m,j}
    """
    data = with_graphs(data, USER_ITEM, make_transform)
    rows = SOILUserRows(data, cast(SOILGraphs, make_transform()))
    sent = messages(self.propagation, self.tables, adjacency(data, USER_ITEM))
    return self.fold_users(data, sent, rows)
