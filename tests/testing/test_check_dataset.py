"""Each rule of the contract of data sets is broken by a data set, and named."""

from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

from soil_pyg.datasets import HeteroDataset
from soil_pyg.testing import DATASET_RULES, ContractError, check_dataset, small_data
from soil_pyg.typing import INTERACTS, ITEM, USER


class Small(HeteroDataset):
    """The data of the checks as a data set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(None, "small", **options)

    def fingerprint(self) -> dict[str, Any]:
        return {}

    def read(self) -> HeteroData:
        data = small_data()
        data[USER].id, data[ITEM].id = np.arange(9), np.arange(7)
        self.change(data)
        return data

    def change(self, data: HeteroData) -> None:
        pass


class Long(Small):
    def __len__(self) -> int:
        return 2


class Homogeneous(Small):
    def __getitem__(self, index: Any) -> Any:
        return Data()


class Userless(Small):
    def change(self, data: HeteroData) -> None:
        del data[USER]


class Unsplit(Small):
    def change(self, data: HeteroData) -> None:
        del data[INTERACTS].test_edge_label_index


class Leaking(Small):
    def change(self, data: HeteroData) -> None:
        data[INTERACTS].test_edge_label_index = data[INTERACTS].edge_index[:, :1]


class Short(Small):
    def change(self, data: HeteroData) -> None:
        data[INTERACTS].edge_index = data[INTERACTS].edge_index.int()


class Unseen(Small):
    def change(self, data: HeteroData) -> None:
        data[USER].num_nodes = 10


class Unfinished(Small):
    def change(self, data: HeteroData) -> None:
        data[ITEM].x_text[0, 0] = torch.nan


class Double(Small):
    def change(self, data: HeteroData) -> None:
        data[ITEM].x_text = data[ITEM].x_text.double()


class FewIds(Small):
    def change(self, data: HeteroData) -> None:
        data[USER].id = np.arange(8)


class SameIds(Small):
    def change(self, data: HeteroData) -> None:
        data[ITEM].id = np.zeros(7)


class Undigested(Small):
    def __getitem__(self, index: Any) -> HeteroData:
        data = super().__getitem__(index)
        del data.digest
        return data


class Renamed(Small):
    def __getitem__(self, index: Any) -> HeteroData:
        data = super().__getitem__(index)
        data.name = "other"
        return data


class Random(Small):
    def change(self, data: HeteroData) -> None:
        data[ITEM].x_text += torch.rand(1)


class Unchanged(Small):
    def __init__(self, transform: Any = None, **options: Any) -> None:
        super().__init__(**options)


class Unprepared(Small):
    def __init__(self, pre_transform: Any = None, **options: Any) -> None:
        super().__init__(**options)


class Nameless(Small):
    def __repr__(self) -> str:
        return "a data set"


BROKEN: list[tuple[str, type[Small], str]] = [
    ("it_holds_one_graph", Long, "the length 2"),
    ("it_holds_one_graph", Homogeneous, "Data"),
    ("users_and_items_are_counted", Userless, "the node types ['item']"),
    ("interactions_are_split", Unsplit, "test_edge_label_index"),
    ("interactions_are_split", Leaking, "occurs more than once"),
    ("interactions_are_split", Short, "torch.int32"),
    ("every_user_is_trained_on", Unseen, "the users [9] have none"),
    ("features_have_a_row_per_item", Unfinished, "node 0 has NaN"),
    ("features_have_a_row_per_item", Double, "torch.float64"),
    ("ids_are_distinct", FewIds, "(8,) for 9 users"),
    ("ids_are_distinct", SameIds, "an id of 'item' repeats"),
    ("the_digest_names_the_content", Undigested, "'digest' is None"),
    ("the_digest_names_the_content", Renamed, "'name' is 'other'"),
    ("the_result_repeats", Random, "'x_text'"),
    ("transforms_are_applied", Unchanged, "'transform' is not applied"),
    ("transforms_are_applied", Unprepared, "'pre_transform' is not applied"),
    ("repr_names_the_class", Nameless, "a data set"),
]


@pytest.mark.parametrize(("rule", "dataset", "found"), BROKEN)
def test_a_broken_rule_is_named(rule: str, dataset: type[Small], found: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_dataset(dataset, rules=[rule])
    assert str(caught.value).startswith(f"{dataset.__name__} breaks the rule '{rule}': ")
    assert found in str(caught.value)


def test_each_rule_can_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(DATASET_RULES)


def test_a_sound_data_set() -> None:
    check_dataset(Small)
    check_dataset(Nameless, skip=["repr_names_the_class"])
