"""The rules of a transform that adds graphs."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from torch_geometric.typing import EdgeType

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.testing.contract import require, require_refusal
from soil_pyg.testing.small_data import small_data
from soil_pyg.typing import INTERACTS, ITEM, features_of
from soil_pyg.utils.data_checks import check_edges, count_nodes

Graphs: TypeAlias = dict[tuple[EdgeType, str], dict[tuple[int, int], float]]
"""The weight of each edge (source, target), by edge type and attribute."""


@dataclass(frozen=True)
class TransformCase:
    """A transform and its options, as rules are checked on them."""

    make_transform: Callable[..., BaseTransform]
    options: dict[str, Any]
    in_channels: dict[str, int]
    before: Callable[[Any], Any] | None

    def make(self, **options: Any) -> BaseTransform:
        """Makes the transform, with some options replaced."""
        return self.make_transform(**{**self.options, **options})

    def make_data(self) -> HeteroData:
        """Makes the data without the graphs of the transform."""
        return self.prepare(small_data(self.in_channels))

    def prepare(self, data: HeteroData) -> HeteroData:
        """Returns the data with the graphs that the transform reads."""
        return data if self.before is None else self.before(data)


def it_is_a_transform(case: TransformCase) -> None:
    """It is a BaseTransform whose text starts with the name of its class and that returns
    HeteroData.
    """
    transform = case.make()
    require(isinstance(transform, BaseTransform), f"{type(transform).__name__}.")
    is_named = str(transform).startswith(f"{type(transform).__name__}(")
    require(is_named or isinstance(transform, Compose), f"the text {str(transform)!r}.")
    found = transform(case.make_data())
    require(isinstance(found, HeteroData), f"{type(found).__name__}.")


def the_given_data_stays(case: TransformCase) -> None:
    """The given data keeps its attributes and their values: graphs are added to a copy."""
    data, before = case.make_data(), case.make_data()
    case.make()(data)
    require(data.to_dict().keys() == before.to_dict().keys(), f"it became {data}.")
    for store, old in zip(data.stores, before.stores, strict=True):
        require(list(store.keys()) == list(old.keys()), f"{store} instead of {old}.")
        for name, value in old.items():
            if isinstance(value, Tensor):
                require(value.equal(store[name]), f"another {name!r}.")


def graphs_are_well_formed(case: TransformCase) -> None:
    """Each edge links nodes of the data and occurs once; each has one finite weight, and a matrix
    has the size of its node types.
    """
    data = case.make()(case.make_data())
    for edge_type, store in data.edge_items():
        count = {count_nodes(data, node) for node in (edge_type[0], edge_type[2])}
        require(min(count) > 0, f"no nodes of {edge_type}.")
        num_edges = None
        if store.get("edge_index") is not None:
            edges = check_edges(data, edge_type)
            num_edges = edges.size(1)
            num_distinct = torch.unique(edges, dim=1).size(1)
            require(num_distinct == num_edges, f"{edge_type} repeats an edge.")
        if isinstance(store.get("adjacency"), Adjacency):
            size = count_nodes(data, edge_type[2]), count_nodes(data, edge_type[0])
            found = store.adjacency.size
            require(found == size, f"a matrix of {found}, not {size}, for {edge_type}.")
            num_edges = store.adjacency.col.numel() if num_edges is None else num_edges
            weight = store.adjacency.weight
            require(bool(weight.isfinite().all()), f"NaN or infinity in the matrix of {edge_type}.")
        for name, value in store.items():
            if name.endswith("weight") and isinstance(value, Tensor):
                fits = value.size() == (num_edges,)
                require(fits, f"{name!r} of {edge_type} has the shape {list(value.size())}.")
                require(bool(value.isfinite().all()), f"NaN or infinity in {name!r} of {edge_type}")


def the_result_repeats(case: TransformCase) -> None:
    """A second call gives the same graphs, bit by bit, and torch's generator is not used."""
    state = torch.get_rng_state()
    first = _graphs(case.make()(case.make_data()))
    require(torch.get_rng_state().equal(state), "it draws from torch's generator.")
    _compare(_graphs(case.make()(case.make_data())), first, tolerance=0)


def held_out_interactions_are_not_read(case: TransformCase) -> None:
    """Validation and test interactions change no graph."""
    data = small_data(case.in_channels)
    del data[INTERACTS].val_edge_label_index, data[INTERACTS].test_edge_label_index
    found = case.make()(case.prepare(data))
    _compare(_graphs(found), _graphs(case.make()(case.make_data())), tolerance=0)


def numbers_of_nodes_are_inferred(case: TransformCase) -> None:
    """Data whose items have features but no 'num_nodes' gives the same graphs."""
    data = small_data(case.in_channels)
    if features_of(data):
        del data[ITEM].num_nodes
    found = case.make()(case.prepare(data))
    _compare(_graphs(found), _graphs(case.make()(case.make_data())), tolerance=0)


def the_order_of_interactions_does_not_matter(case: TransformCase) -> None:
    """Interactions in another order give the same edges and, up to rounding, the same weights."""
    data = small_data(case.in_channels)
    store = data[INTERACTS]
    order = torch.randperm(store.edge_index.size(1), generator=torch.Generator().manual_seed(0))
    store.edge_index = store.edge_index[:, order]
    found = case.make()(case.prepare(data))
    _compare(_graphs(found), _graphs(case.make()(case.make_data())), tolerance=1e-6)


def the_block_size_does_not_matter(case: TransformCase) -> None:
    """A transform with an option 'memory_budget' gives the same graphs in the smallest blocks."""
    if "memory_budget" not in inspect.signature(case.make_transform).parameters:
        return
    found = case.make(memory_budget=1)(case.make_data())
    _compare(_graphs(found), _graphs(case.make()(case.make_data())), tolerance=0)


def data_without_nodes_is_refused(case: TransformCase) -> None:
    """Data without nodes raises a ValueError, unless the transform changes nothing."""
    changes = case.make()(case.make_data()).to_dict().keys() != case.make_data().to_dict().keys()
    if changes:
        require_refusal(lambda: case.make()(HeteroData()), "data without nodes")


def _graphs(data: HeteroData) -> Graphs:
    found: Graphs = {}
    for edge_type, store in data.edge_items():
        if store.get("edge_index") is not None:
            edges = list(map(tuple, store.edge_index.t().tolist()))
            for name, value in store.items():
                if isinstance(value, Tensor) and value.size() == (len(edges),):
                    found[edge_type, name] = dict(zip(edges, value.tolist(), strict=True))
            found[edge_type, "edge_index"] = dict.fromkeys(edges, 1.0)
        if isinstance(store.get("adjacency"), Adjacency):
            graph = store.adjacency
            edges = list(zip(graph.col.tolist(), graph.row().tolist(), strict=True))
            weights = graph.weight.tolist()
            found[edge_type, "adjacency"] = dict(zip(edges, weights, strict=True))
    return found


def _compare(found: Graphs, expected: Graphs, tolerance: float) -> None:
    require(found.keys() == expected.keys(), f"{list(found)} and {list(expected)}.")
    for key, edges in expected.items():
        others = found[key]
        extra = sorted(set(others) ^ set(edges))
        require(not extra, f"the edges {extra[:3]} of {key} in one of the two only.")
        for edge, weight in edges.items():
            is_near = abs(others[edge] - weight) <= tolerance * abs(weight)
            require(is_near, f"{others[edge]} and {weight} for the edge {edge} of {key}.")
