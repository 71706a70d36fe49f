"""Access to the features and the prepared graphs in the data, for models."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage
from torch_geometric.transforms import BaseTransform, Compose
from torch_geometric.typing import EdgeType
from typing_extensions import Unpack

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.keys import distinct_keys
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms import NormalizeGraph, SimilarityGraph, SumGraph, ToAdjacency
from soil_pyg.transforms.edges import held
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, modalities_of
from soil_pyg.utils.data_checks import check_edges, check_features
from soil_pyg.utils.hetero import check_hetero, has_edges
from soil_pyg.utils.remember import remember

MakeTransform: TypeAlias = Callable[[], BaseTransform]
"""Returns the graph transform of a model; it is called only if the graphs must be built."""

PairTensor: TypeAlias = tuple[Tensor, Tensor]
"""The tensors of users and of items."""

TINY = 1e-30
"""The magnitude below which values of features count as zero."""

UNWEIGHTED: EdgeType = (USER, "unweighted", ITEM)
"""The interactions with a weight of 1 each."""


def similar(modality: str) -> EdgeType:
    """Returns the edge type of the graph of similar items of a modality."""
    return (ITEM, f"{modality}_similar", ITEM)


class SimilarItemGraphs(BaseTransform):
    """The base of transforms that build a graph of similar items for each modality.

    Args:
        k, modalities, negative (optional): See :class:`~soil_pyg.transforms.SimilarityGraph`.
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        negative: str = "drop",
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        self.modalities = modalities
        self.similarity_graph = SimilarityGraph(k, modalities, negative, **search_options)

    def names(self, data: HeteroData) -> list[str]:
        """Returns the modalities of the graphs."""
        return modalities_of(data) if self.modalities is None else self.modalities

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.similarity_graph})"


def features(
    data: HeteroData, modality: str, channels: int | None = None, num_items: int | None = None
) -> Tensor:
    """Returns the features of the items in a modality, or raises :class:`ValueError` if there are
    none or they do not match the items of the data or the numbers of channels and items.
    """
    check_hetero(data)
    present = modalities_of(data)
    if modality not in present:
        raise ValueError(f"'in_channels' names {modality!r}, but the data has {present}")
    if torch.compiler.is_compiling():
        x: Tensor = data[ITEM][FEATURE_PREFIX + modality]
        return x
    x = check_features(data, modality, ITEM, channels)
    x = without_tiny_values(x)
    if num_items is not None and len(x) != num_items:
        raise ValueError(f"'data' must have {num_items} items, as the model does (got {len(x)})")
    return x


def without_tiny_values(x: Tensor) -> Tensor:
    """Returns features with zeros in place of values that are too small to change a result.

    Their products with gradients are subnormal numbers, with which a processor multiplies about ten
    times slower. Embeddings of texts have such values: two channels of all-MiniLM-L6-v2 are about
    5e-38 for every text.

    Example:
        >>> without_tiny_values(torch.tensor([[0.5, 5e-38]]))
        tensor([[0.5000, 0.0000]])
    """
    if not x.is_floating_point() or x.device.type != "cpu":
        return x

    def flushed() -> Tensor | None:
        is_tiny = x.abs() < TINY
        return x.masked_fill(is_tiny, 0.0) if (is_tiny & (x != 0)).any() else None

    # The result must not hold the tensor for which it is remembered.
    found = remember(x, "without tiny values", flushed)
    return x if found is None else found


def distinct_interactions(data: HeteroData, size: tuple[int, int]) -> Tensor:
    """Returns the training interactions by (user, item), each once, given the number of users and
    of items.
    """
    user, item = check_edges(data, size=size)
    key, _ = distinct_keys(user * size[1] + item)
    return torch.stack([key // size[1], key % size[1]])


def sparse_embeddings(
    data: HeteroData, edge_type: EdgeType, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Returns the interactions of the users and the rows of a prepared graph of items, both sparse:
    a user's scores are the sums of the edges that leave the user's items.
    """
    graph = adjacency(data, edge_type)
    edge_index = distinct_interactions(data, size)
    ones = torch.ones(edge_index.size(1), device=edge_index.device)
    user_emb = torch.sparse_coo_tensor(edge_index, ones, size, check_invariants=False)
    item_emb = torch.sparse_coo_tensor(
        torch.stack([graph.row(), graph.col.long()]),
        graph.weight,
        (size[1], size[1]),
        check_invariants=False,
    )
    return user_emb.coalesce(), item_emb.coalesce()


def normalized_interactions() -> BaseTransform:
    """Returns the transform that builds the symmetrically normalised user-item graph."""
    return Compose([NormalizeGraph([INTERACTS]), ToAdjacency([INTERACTS], attr="norm_weight")])


def unweighted_interactions() -> BaseTransform:
    """Returns the transform that builds the user-item graph with a weight of 1 per edge."""
    return SumGraph({INTERACTS: None}, UNWEIGHTED, to_adjacency=True)


def prepared(data: HeteroData, edge_type: EdgeType, attr: str) -> EdgeStorage:
    """Returns the store of an edge type, or raises :class:`ValueError` if it lacks an attribute
    that the transform of the model adds.
    """
    if not has_edges(data, edge_type, attr):
        raise ValueError(
            f"the data has no prepared graph {edge_type}: apply the transform returned by "
            "'graph_transform()' of the model's class first"
        )
    return data[edge_type]


def adjacency(data: HeteroData, edge_type: EdgeType) -> Adjacency:
    """Returns the prepared matrix of an edge type, or raises :class:`ValueError` if the transform
    of the model was not applied, or was applied to other nodes or interactions.
    """
    prepared(data, edge_type, "adjacency")
    return held(data, edge_type)


def with_graphs(data: HeteroData, edge_type: EdgeType, make_transform: MakeTransform) -> HeteroData:
    """Returns the data itself if it has the prepared graph of an edge type, or else the transformed
    data.
    """
    if has_edges(data, edge_type, "adjacency"):
        return data
    return make_transform()(data)
