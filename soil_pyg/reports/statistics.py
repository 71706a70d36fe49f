"""Statistics of data and graphs."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from soil_pyg.transforms.edges import edge_blocks
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, SPLITS, USER, features_of
from soil_pyg.utils.data_checks import count_nodes


@dataclass(frozen=True)
class DataStatistics:
    """Statistics of users, items, interactions and features. Degrees count training interactions,
    :obj:`num_pairs` the interactions per split, :obj:`missing` the items without each modality and
    :obj:`patterns` the items per combination of modalities, in descending order. :obj:`covered` is
    the share of interactions per held-out split whose item has training interactions, and
    :obj:`top_share` the share of training interactions with the most popular tenth of the items.
    """

    num_users: int
    num_items: int
    num_pairs: dict[str, int]
    user_degree: Tensor
    item_degree: Tensor
    covered: dict[str, float]
    top_share: float
    missing: dict[str, int]
    patterns: list[tuple[list[str], int]]

    @property
    def density(self) -> float:
        """The share of user-item pairs that are training interactions."""
        return self.num_pairs["train"] / (self.num_users * self.num_items)

    @property
    def item_coverage(self) -> float:
        """The share of items with training interactions."""
        return float((self.item_degree > 0).double().mean())


@dataclass(frozen=True)
class GraphStatistics:
    """Statistics of a graph. Mean degrees and numbers of nodes without edges are those of the
    sources and of the targets.
    """

    edge_type: EdgeType
    num_edges: int
    mean_degree: tuple[float, float]
    num_isolated: tuple[int, int]


def data_statistics(data: HeteroData) -> DataStatistics:
    """Returns the statistics of users, items, interactions and features."""
    store = data[INTERACTS]
    names = zip(SPLITS, EDGE_INDICES, strict=True)
    pairs = {split: store[name] for split, name in names if name in store}
    num_users, num_items = count_nodes(data, USER), count_nodes(data, ITEM)
    user_degree = torch.bincount(pairs["train"][0], minlength=num_users)
    item_degree = torch.bincount(pairs["train"][1], minlength=num_items)
    most = item_degree.topk(-(-num_items // 10)).values
    missing, patterns = _modalities(data)
    return DataStatistics(
        num_users=num_users,
        num_items=num_items,
        num_pairs={split: index.size(1) for split, index in pairs.items()},
        user_degree=user_degree,
        item_degree=item_degree,
        covered={
            split: float((item_degree[index[1]] > 0).double().mean())
            for split, index in pairs.items()
            if split != "train" and index.size(1) > 0
        },
        top_share=int(most.sum()) / max(int(item_degree.sum()), 1),
        missing=missing,
        patterns=patterns,
    )


def degree_tail(degree: Tensor) -> tuple[list[int], list[float]]:
    """Returns the distinct positive degrees and the share of nodes of at least each degree.

    Example:
        >>> degree_tail(torch.tensor([0, 1, 1, 3]))
        ([1, 3], [0.75, 0.25])
    """
    count = torch.bincount(degree)
    at_least = count.flip(0).cumsum(0).flip(0) / len(degree)
    occurs = count.nonzero().view(-1)
    occurs = occurs[occurs > 0]
    return occurs.tolist(), at_least[occurs].tolist()


def graph_statistics(data: HeteroData) -> list[GraphStatistics]:
    """Returns the statistics of every graph in the data, stored as edge index or adjacency."""
    return [
        _graph(data, edge_type)
        for edge_type in data.edge_types
        if "edge_index" in data[edge_type] or "adjacency" in data[edge_type]
    ]


def _graph(data: HeteroData, edge_type: EdgeType) -> GraphStatistics:
    degrees = [torch.zeros(count_nodes(data, edge_type[side]), dtype=torch.long) for side in (0, 2)]
    for _, source, target, _ in edge_blocks(data, edge_type):
        for degree, index in zip(degrees, (source, target), strict=True):
            degree += torch.bincount(index.cpu(), minlength=len(degree))
    num_edges = int(degrees[0].sum())
    return GraphStatistics(
        edge_type=edge_type,
        num_edges=num_edges,
        mean_degree=(num_edges / len(degrees[0]), num_edges / len(degrees[1])),
        num_isolated=(int((degrees[0] == 0).sum()), int((degrees[1] == 0).sum())),
    )


def _modalities(data: HeteroData) -> tuple[dict[str, int], list[tuple[list[str], int]]]:
    features = features_of(data)
    if not features:
        return {}, []
    # Missing features are rows of zeros.
    has = torch.stack([x.any(dim=1) for x in features.values()], dim=1)
    missing = (~has).sum(dim=0).tolist()
    rows, counts = torch.unique(has, dim=0, return_counts=True)
    order = counts.argsort(descending=True, stable=True)
    patterns = [
        ([name for name, there in zip(features, row, strict=True) if there], count)
        for row, count in zip(rows[order].tolist(), counts[order].tolist(), strict=True)
    ]
    return dict(zip(features, missing, strict=True)), patterns
