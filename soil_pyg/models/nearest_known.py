"""The known items that are most like new ones."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.knn import KNN
from soil_pyg.transforms.utils import unit_features
from soil_pyg.typing import ITEM


def nearest_known(
    data: HeteroData, features: dict[str, Tensor], k: int, memory_budget: int = 2**30
) -> dict[str, Adjacency]:
    r"""Returns for each modality the similarities of new items to their nearest known ones.

    .. math::
        S_m[n, j] = \frac{\mathbf{x}_{m,n}^{\top} \mathbf{x}_{m,j}}
        {\|\mathbf{x}_{m,n}\| \|\mathbf{x}_{m,j}\|} \quad \text{if } j \in \mathrm{top}_k
        (S_m[n, :]) \text{ and } S_m[n, j] > 0

    Rows are the new items, columns the known ones. A row of zeros is a missing modality: a new item
    that lacks it has no entries, a known one is nobody's neighbour.

    Args:
        data (HeteroData): The data with the features of the known items.
        features (dict[str, Tensor]): The features of the new items by modality.
        k (int): The number of neighbours.
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)

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
        source = node[neighbour[keep]]
        target = row.unsqueeze(1).expand_as(neighbour)[keep]
        size = known.size(0), query.size(0)
        edge_index = torch.stack([source, target])
        out[modality] = Adjacency.from_edge_index(edge_index, value[keep], size)
    return out


def to_mean(similarity: Adjacency) -> Adjacency:
    """Returns the matrix that takes the mean over each row, weighted by its entries.

    Args:
        similarity (Adjacency): The matrix; rows without entries stay empty.
    """
    weight = similarity.weight / row_sums(similarity)[similarity.row()]
    return Adjacency(similarity.rowptr, similarity.col, weight, similarity.size[1])


def mean_of_neighbours(similarities: dict[str, Adjacency], x: Tensor) -> Tensor:
    r"""Returns for each new item the weighted mean of its neighbours' embeddings, and of that the
    mean over the modalities in which it has neighbours.

    .. math::
        \frac{1}{|\mathcal{M}_n|} \sum_{m \in \mathcal{M}_n}
        \frac{\sum_j S_m[n, j] \, \mathbf{x}_j}{\sum_j S_m[n, j]}

    Args:
        similarities (dict[str, Adjacency]): What :func:`nearest_known` returns.
        x (Tensor): The embeddings of the known items.
    """
    total = sum(to_mean(similarity) @ x for similarity in similarities.values())
    assert isinstance(total, Tensor)
    return total / count_modalities(similarities).clamp(min=1).unsqueeze(1)


def count_modalities(similarities: dict[str, Adjacency]) -> Tensor:
    """Returns in how many modalities each new item has neighbours.

    Args:
        similarities (dict[str, Adjacency]): What :func:`nearest_known` returns.
    """
    counts = [similarity.rowptr.diff() > 0 for similarity in similarities.values()]
    return torch.stack(counts).sum(dim=0)


def row_sums(matrix: Adjacency) -> Tensor:
    """Returns the sum of the entries of each row.

    Args:
        matrix (Adjacency): The matrix.
    """
    total = torch.zeros(matrix.size[0], dtype=torch.float64)
    return total.index_add_(0, matrix.row(), matrix.weight.double()).float()
