"""Embeddings of items and users that came after the training."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import PairTensor
from soil_pyg.models.new_user_rows import NewUserRows
from soil_pyg.nn import LightPropagation
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.degrees import item_degree
from soil_pyg.ops.knn import KNN
from soil_pyg.transforms.utils import unit_features
from soil_pyg.typing import ITEM

NewUserEmbedder: TypeAlias = Callable[[Tensor, int], Tensor]
"""Returns the embeddings of new users from their distinct interactions, in which they are numbered
from 0, and their number.
"""


def nearest_known(
    data: HeteroData, features: dict[str, Tensor], k: int, memory_budget: int = 2**30
) -> dict[str, Adjacency]:
    r"""Returns, by modality, the similarities of new items to their nearest known items.

    .. math::
        S_m[n, j] = \frac{\mathbf{x}_{m,n}^{\top} \mathbf{x}_{m,j}}
        {\|\mathbf{x}_{m,n}\| \|\mathbf{x}_{m,j}\|} \quad \text{if } j \in \mathrm{top}_k
        (S_m[n, :]) \text{ and } S_m[n, j] > 0

    Rows are new items, columns known ones. A row of zero features is a missing modality: such a new
    item has no neighbours, and such a known item is the neighbour of none.

    Args:
        data (HeteroData): The data with the features of the known items.
        features (dict[str, Tensor]): The features of the new items by modality.
        k (int): The number of neighbours.
        memory_budget (int, optional): The size of a block in bytes. (default: :obj:`2**30`)

    Raises:
        ValueError: If a modality is unknown.

    Example:
        >>> data = HeteroData()
        >>> data["item"].x_image = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> new = {"image": torch.tensor([[3.0, 4.0], [0.0, 0.0]])}
        >>> nearest_known(data, new, k=1)["image"].to_dense()
        tensor([[0.0000, 0.8000],
                [0.0000, 0.0000]])
    """
    out = {}
    for modality, (known, has) in unit_features(data, list(features), ITEM).items():
        new = HeteroData()
        new[ITEM][f"x_{modality}"] = features[modality]
        query, wanted = unit_features(new, None, ITEM)[modality]
        node, row = has.nonzero().view(-1), wanted.nonzero().view(-1)
        knn = KNN(known[has], memory_budget=memory_budget)
        value, neighbour = knn.search(query[wanted], k)
        keep = value > 0
        target = row.unsqueeze(1).expand_as(neighbour)[keep]
        edge_index = torch.stack([node[neighbour[keep]], target])
        size = known.size(0), query.size(0)
        out[modality] = Adjacency.from_edge_index(edge_index, value[keep], size)
    return out


def to_mean(similarity: Adjacency) -> Adjacency:
    """Returns the matrix with each row divided by its sum; rows without entries stay empty."""
    weight = similarity.weight / row_sums(similarity)[similarity.row()]
    return Adjacency(similarity.rowptr, similarity.col, weight, similarity.size[1])


def mean_of_neighbours(similarities: dict[str, Adjacency], x: Tensor) -> Tensor:
    r"""Returns the weighted mean of the neighbours' embeddings for each new item, averaged over the
    modalities in which it has neighbours.

    .. math::
        \frac{1}{|\mathcal{M}_n|} \sum_{m \in \mathcal{M}_n}
        \frac{\sum_j S_m[n, j] \, \mathbf{x}_j}{\sum_j S_m[n, j]}

    with :math:`S_m` of :func:`nearest_known` and :math:`\mathbf{x}_j` of the known items.
    """
    total = sum(to_mean(similarity) @ x for similarity in similarities.values())
    assert isinstance(total, Tensor)
    return total / count_modalities(similarities).clamp(min=1).unsqueeze(1)


def count_modalities(similarities: dict[str, Adjacency]) -> Tensor:
    """Returns the number of modalities in which each new item has neighbours."""
    counts = [similarity.rowptr.diff() > 0 for similarity in similarities.values()]
    return torch.stack(counts).sum(dim=0)


def row_sums(matrix: Adjacency) -> Tensor:
    """Returns the sum of the entries of each row."""
    total = torch.zeros(matrix.size[0], dtype=torch.float64)
    return total.index_add_(0, matrix.row(), matrix.weight.double()).float()


def mean_of_items(item_emb: Tensor, edge_index: Tensor, num_new_users: int) -> Tensor:
    """Returns the mean embedding of the items of each new user, numbered from 0."""
    size = item_emb.size(0), num_new_users
    items = Adjacency.from_edge_index(edge_index.flip([0]), size=size)
    return (items @ item_emb) / items.rowptr.diff().unsqueeze(1)


def messages(propagation: LightPropagation, x: PairTensor, graph: Adjacency) -> Tensor:
    r"""Returns the sum of the embeddings that each item sends to a user over an edge of weight 1.

    .. math::
        \mathbf{H} = \frac{1}{L + 1} \sum_{l=0}^{L-1} (\mathbf{A}^l \mathbf{X})_{\text{items}},
        \qquad \text{so that} \qquad \bar{\mathbf{x}}_u = \frac{\mathbf{x}_u}{L + 1} + \sum_j
        A_{uj} \, \mathbf{h}_j

    The edges of the graph are user -> item.
    """
    total = torch.zeros_like(x[1])
    for _ in range(propagation.num_layers):
        total = total + x[1]
        x = propagation.conv(x, graph)
    return total / (propagation.num_layers + 1)


def fold_users(data: HeteroData, sent: Tensor) -> NewUserEmbedder:
    r"""Folds new users into the normalised user-item graph, which then weights their edges; they
    receive messages and send none. Their own embedding, which is unknown, is zero:

    .. math::
        \mathbf{e}_v = \sum_j A_{vj} \, \mathbf{h}_j

    with :math:`\mathbf{H}` what the items send over an edge of weight 1, see :func:`messages`.
    """
    rows = NewUserRows(item_degree(data))
    return lambda edge_index, num_new_users: rows(edge_index, num_new_users) @ sent
