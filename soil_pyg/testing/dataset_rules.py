"""The rules of a data set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Dataset, HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.testing.contract import require
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER, features_of
from soil_pyg.utils.data_checks import check_edges, check_features, count_nodes


@dataclass(frozen=True)
class DatasetCase:
    """A data set and its arguments, as rules are checked on them."""

    make_dataset: Callable[..., Dataset]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def make(self, **options: Any) -> Dataset:
        """Makes the data set, with some options replaced."""
        return self.make_dataset(*self.arguments, **{**self.options, **options})

    def make_data(self) -> HeteroData:
        """Makes the data set and returns its graph."""
        return self.make()[0]


class _Mark(BaseTransform):
    """Marks the data that it was applied to."""

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the mark."""
        data.is_marked = True
        return data


def it_holds_one_graph(case: DatasetCase) -> None:
    """A data set has the length 1 and holds one HeteroData."""
    dataset = case.make()
    require(len(dataset) == 1, f"the length {len(dataset)}.")
    require(isinstance(dataset[0], HeteroData), f"{type(dataset[0]).__name__}.")


def users_and_items_are_counted(case: DatasetCase) -> None:
    """The data has users and items, and their numbers are known."""
    data = case.make_data()
    for node_type in (USER, ITEM):
        require(node_type in data.node_types, f"the node types {data.node_types}.")
        require(count_nodes(data, node_type) > 0, f"no nodes of type {node_type!r}.")


def interactions_are_split(case: DatasetCase) -> None:
    """The interactions are split into edge_index, val_edge_label_index and test_edge_label_index;
    each pair of known nodes occurs once in one of them.
    """
    data = case.make_data()
    pairs = []
    for name in EDGE_INDICES:
        edges = check_edges(data, INTERACTS, name)
        require(data[INTERACTS][name].dtype == torch.long, f"{data[INTERACTS][name].dtype}.")
        pairs.append(edges)
    every = torch.cat(pairs, dim=1)
    distinct, count = torch.unique(every, dim=1, return_counts=True)
    first = distinct[:, count > 1].t().tolist()[:1]
    require(not first, f"the pair {first} occurs more than once.")


def every_user_is_trained_on(case: DatasetCase) -> None:
    """Each user has a training interaction."""
    data = case.make_data()
    trained = torch.bincount(data[INTERACTS].edge_index[0], minlength=count_nodes(data, USER))
    lacking = (trained == 0).nonzero().view(-1).tolist()[:3]
    require(not lacking, f"the users {lacking} have none.")


def features_have_a_row_per_item(case: DatasetCase) -> None:
    """Each x_<modality> of the items has one finite row per item, in single precision."""
    data = case.make_data()
    for modality in features_of(data):
        x = check_features(data, modality)
        require(x.dtype == torch.float32, f"{x.dtype} for {modality!r}.")


def ids_are_distinct(case: DatasetCase) -> None:
    """data["user"].id and data["item"].id, where there are any, hold one distinct id per node."""
    data = case.make_data()
    for node_type in (USER, ITEM):
        if "id" in data[node_type]:
            ids = np.asarray(data[node_type].id)
            num_nodes = count_nodes(data, node_type)
            require(ids.shape == (num_nodes,), f"{ids.shape} for {num_nodes} {node_type}s.")
            require(len(set(ids.tolist())) == num_nodes, f"an id of {node_type!r} repeats.")


def the_digest_names_the_content(case: DatasetCase) -> None:
    """The data carries 'name' and 'digest', texts that are those of the data set."""
    dataset = case.make()
    for name in ("name", "digest"):
        value = dataset[0].get(name) if name in dataset[0] else None
        require(isinstance(value, str) and value != "", f"{name!r} is {value!r}.")
        own = getattr(dataset, name, None)
        require(value == own, f"{name!r} is {value!r}, that of the data set {own!r}.")


def the_result_repeats(case: DatasetCase) -> None:
    """Made again, from stored data or anew, it is the same, and torch's generator is not used."""
    first = case.make_data()
    state = torch.get_rng_state()
    for again in (case.make_data(), case.make(force_reload=True)[0]):
        for store, other in zip(first.stores, again.stores, strict=True):
            require(list(store.keys()) == list(other.keys()), f"{store} and {other}.")
            for name, value in store.items():
                same = value.equal if isinstance(value, Tensor) else value.__eq__
                is_same = bool(np.all(same(other[name])))
                require(is_same, f"{name!r} is {value!r} and {other[name]!r}.")
    require(torch.get_rng_state().equal(state), "it draws from torch's generator.")


def transforms_are_applied(case: DatasetCase) -> None:
    """'transform' is applied at each access and 'pre_transform' to what is stored; the latter
    changes the digest.
    """
    require("is_marked" in case.make(transform=_Mark())[0], "'transform' is not applied.")
    require("is_marked" not in case.make()[0], "the stored data was transformed.")
    marked = case.make(pre_transform=_Mark())
    require("is_marked" in marked[0], "'pre_transform' is not applied.")
    require(marked[0].digest != case.make_data().digest, "'pre_transform' keeps the digest.")


def repr_names_the_class(case: DatasetCase) -> None:
    """The text of a data set starts with the name of its class."""
    dataset = case.make()
    require(str(dataset).startswith(f"{type(dataset).__name__}("), f"{str(dataset)!r}.")
