"""Shared parts of the graph transforms: checks, unit features and blocks of edges."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType
from typing_extensions import Unpack

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.ragged import budget_blocks, trim_heap
from soil_pyg.ops.search_options import SearchKwargs, SearchOptions
from soil_pyg.ops.similarity_pass import Collector, Features, SimilarityPass
from soil_pyg.typing import FEATURE_PREFIX, modalities_of
from soil_pyg.utils.checks import check_choice, check_string, check_strings

EDGES_AT_ONCE = 2**22
"""The number of edges per block in which compressed edges are unpacked."""

Gathered = TypeVar("Gathered", bound=Collector)


class SimilarityTransform(BaseTransform, Generic[Gathered]):
    """Base class of transforms whose graphs come from the similarities of all items."""

    def __init__(
        self,
        modalities: list[str] | None,
        negative: str,
        item_type: str,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_choice("negative", negative, ("drop", "keep"))
        check_string("node_type", item_type)
        if modalities is not None:
            check_strings("modalities", modalities)
        self.modalities = modalities
        self.negative = negative
        self.item_type = item_type
        self.search_options = SearchOptions(**search_options)

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        features = unit_features(data, self.modalities, self.item_type)
        return build_in_one_pass(data, features, [self], self.search_options)

    @abstractmethod
    def collector(self, data: HeteroData, features: Features) -> Gathered:
        """Returns the collector that gathers similarities for the graphs."""

    @abstractmethod
    def build(self, data: HeteroData, features: Features, collector: Gathered) -> HeteroData:
        """Adds the graphs to the data, from a collector that has been filled."""


def build_in_one_pass(
    data: HeteroData,
    features: Features,
    transforms: Sequence[SimilarityTransform[Any]],
    search_options: SearchOptions,
) -> HeteroData:
    """Adds the graphs of several transforms to the data, made in one pass over the similarities."""
    collectors = [transform.collector(data, features) for transform in transforms]
    similarities = SimilarityPass(features, search_options)
    similarities.run(*collectors)
    for transform in transforms:
        if not similarities.search_options.is_exact:
            # The exact comparison of few items sets the peak of memory anyway.
            trim_heap()
        # A collector is freed once its graph is built.
        data = transform.build(data, features, collectors.pop(0))
    return data


def check_edges(data: HeteroData, edge_type: EdgeType) -> Tensor:
    """Returns the edges of a type, or raises :class:`ValueError` without an :obj:`edge_index`."""
    if edge_type not in data.edge_types or "edge_index" not in data[edge_type]:
        raise ValueError(f"the data has no edges {edge_type}; it has {data.edge_types}")
    edge_index: Tensor = data[edge_type].edge_index
    return edge_index


def count_nodes(data: HeteroData, node_type: str) -> int:
    """Returns the number of nodes of a type, from :obj:`num_nodes` or the features, or raises
    :class:`ValueError` if the data has neither.
    """
    store = data[node_type]
    if store.get("num_nodes") is not None:
        return int(store.get("num_nodes"))
    for modality in modalities_of(data, node_type):
        return int(store[FEATURE_PREFIX + modality].size(0))
    raise ValueError(f"the number of nodes is unknown: set data[{node_type!r}].num_nodes")


def unit_features(
    data: HeteroData, modalities: list[str] | None, node_type: str
) -> dict[str, tuple[Tensor, Tensor]]:
    r"""Returns :math:`\mathbf{c}_{m,i} = \mathbf{x}_{m,i} / \|\mathbf{x}_{m,i}\|` and the mask of
    the nodes that have the modality, by modality (:obj:`None` for all of them).

    Raises:
        ValueError: If there is no modality, one is unknown, or a feature is not finite.
    """
    present = modalities_of(data, node_type)
    names = present if modalities is None else list(modalities)
    if len(names) == 0:
        raise ValueError(
            f"the nodes {node_type!r} have no features {FEATURE_PREFIX}*: "
            "at least one modality is needed"
        )
    out = {}
    for name in names:
        if name not in present:
            raise ValueError(f"'modalities' names {name!r}, but the data has {present}")
        x = data[node_type][FEATURE_PREFIX + name].float()
        norm = torch.linalg.vector_norm(x, dim=1).double()
        # The squares of very large or small norms leave the range of single precision.
        extreme = ~((norm > 1e-15) & (norm < 1e15))
        norm[extreme] = torch.linalg.vector_norm(x[extreme], dim=1, dtype=torch.float64)
        if not torch.isfinite(norm).all():
            node = int((~torch.isfinite(norm)).nonzero()[0])
            raise ValueError(f"feature {name!r} of node {node} is NaN or infinite")
        has = norm > 0
        out[name] = (x / norm.where(has, 1.0).unsqueeze(1).float(), has)
    return out


def is_held_as_matrix(data: HeteroData, edge_type: EdgeType) -> bool:
    """Returns whether edges are held as :obj:`adj` and not as :obj:`edge_index`."""
    # Looking up a type that the data lacks would add it.
    return (
        edge_type in data.edge_types
        and "adj" in data[edge_type]
        and "edge_index" not in data[edge_type]
    )


def count_edges(data: HeteroData, edge_type: EdgeType) -> int:
    """Returns the number of edges of a type, held as :obj:`edge_index` or as :obj:`adj`."""
    if is_held_as_matrix(data, edge_type):
        return int(data[edge_type].adj.col.numel())
    return check_edges(data, edge_type).size(1)


def edge_blocks(
    data: HeteroData, edge_type: EdgeType, attr: str | None = "edge_weight"
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yields the edges of a type in blocks: positions, sources, targets and weights.

    Edges may be held as :obj:`edge_index` or :obj:`adj`. The weights are 1 if :obj:`attr` is
    :obj:`None` or neither the edges nor the matrix have them.
    """
    if not is_held_as_matrix(data, edge_type):
        source, target = check_edges(data, edge_type)
        weight = None if attr is None else data[edge_type].get(attr)
        if weight is None:
            weight = torch.ones(source.numel(), device=source.device)
        yield slice(0, source.numel()), source, target, weight
        return
    adjacency: Adjacency = data[edge_type].adj
    weight = torch.ones_like(adjacency.weight)
    if attr is not None:
        weight = data[edge_type].get(attr, adjacency.weight)
    for rows in budget_blocks(adjacency.rowptr.diff().long(), EDGES_AT_ONCE):
        edges = slice(int(adjacency.rowptr[rows.start]), int(adjacency.rowptr[rows.stop]))
        count = adjacency.rowptr[rows.start : rows.stop + 1].diff().long()
        target = torch.arange(rows.start, rows.stop, device=count.device).repeat_interleave(count)
        yield edges, adjacency.col[edges].long(), target, weight[edges]
