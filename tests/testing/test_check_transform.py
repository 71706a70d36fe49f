"""Each rule of the contract of transforms is broken by a transform, and named."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.testing import TRANSFORM_RULES, ContractError, check_transform, small_data
from soil_pyg.transforms import SimilarityGraph
from soil_pyg.typing import INTERACTS, ITEM
from soil_pyg.utils.data_checks import count_nodes

EDGE_TYPE = (ITEM, "next", ITEM)


class Chain(BaseTransform):
    """Links each item with the next one."""

    def forward(self, data: HeteroData) -> Any:
        first = torch.arange(count_nodes(data, ITEM) - 1)
        data[EDGE_TYPE].edge_index = torch.stack([first, first + 1])
        data[EDGE_TYPE].edge_weight = self.weight(data, len(first))
        return data

    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.ones(num_edges)


class Nameless(Chain):
    def __repr__(self) -> str:
        return "a transform"


class Homogeneous(Chain):
    def forward(self, data: HeteroData) -> Data:
        return Data()


class InPlace(Chain):
    def __call__(self, data: HeteroData) -> HeteroData:
        return self.forward(data)


class Overwriting(Chain):
    def forward(self, data: HeteroData) -> HeteroData:
        data[ITEM].x_image.add_(1)
        return super().forward(data)


class Repeated(Chain):
    def forward(self, data: HeteroData) -> HeteroData:
        data[EDGE_TYPE].edge_index = torch.tensor([[0, 0], [1, 1]])
        return data


class OutOfRange(Chain):
    def forward(self, data: HeteroData) -> HeteroData:
        data[EDGE_TYPE].edge_index = torch.tensor([[0], [7]])
        return data


class Infinite(Chain):
    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.full((num_edges,), torch.inf)


class Lacking(Chain):
    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.ones(num_edges - 1)


class OtherSize(Chain):
    def forward(self, data: HeteroData) -> HeteroData:
        edge_index = torch.tensor([[0], [1]])
        data[EDGE_TYPE].adjacency = Adjacency.from_edge_index(edge_index, size=(3, 3))
        return data


class Random(Chain):
    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.rand(num_edges)


class Counted(Chain):
    calls = 0

    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        Counted.calls += 1
        return torch.full((num_edges,), float(Counted.calls))


class Peeking(Chain):
    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.full((num_edges,), float("test_edge_label_index" in data[INTERACTS]))


class Explicit(Chain):
    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.full((num_edges,), float("num_nodes" in data[ITEM]))


class Ordered(Chain):
    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return data[INTERACTS].edge_index[1, :num_edges].float()


class Blockwise(Chain):
    def __init__(self, memory_budget: int = 2**30) -> None:
        self.memory_budget = memory_budget

    def weight(self, data: HeteroData, num_edges: int) -> Tensor:
        return torch.full((num_edges,), float(self.memory_budget))


class Accepting(Chain):
    def forward(self, data: HeteroData) -> HeteroData:
        return super().forward(data if data.node_types else small_data())


BROKEN: list[tuple[str, Callable[..., Any], str]] = [
    ("it_is_a_transform", lambda: lambda data: data, "function"),
    ("it_is_a_transform", Nameless, "a transform"),
    ("it_is_a_transform", Homogeneous, "Data"),
    ("the_given_data_stays", InPlace, "it became"),
    ("the_given_data_stays", Overwriting, "another 'x_image'"),
    ("graphs_are_well_formed", Repeated, "repeats an edge"),
    ("graphs_are_well_formed", OutOfRange, "names node 7"),
    ("graphs_are_well_formed", Infinite, "NaN or infinity in 'edge_weight'"),
    ("graphs_are_well_formed", Lacking, "has the shape [5]"),
    ("graphs_are_well_formed", OtherSize, "a matrix of (3, 3), not (7, 7)"),
    ("the_result_repeats", Random, "torch's generator"),
    ("the_result_repeats", Counted, "for the edge (0, 1)"),
    ("held_out_interactions_are_not_read", Peeking, "0.0 and 1.0"),
    ("numbers_of_nodes_are_inferred", Explicit, "0.0 and 1.0"),
    ("the_order_of_interactions_does_not_matter", Ordered, "for the edge"),
    ("the_block_size_does_not_matter", Blockwise, "1.0 and 1073741824.0"),
    ("data_without_nodes_is_refused", Accepting, "data without nodes is accepted"),
]


@pytest.mark.parametrize(("rule", "transform", "found"), BROKEN)
def test_a_broken_rule_is_named(rule: str, transform: Callable[..., Any], found: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_transform(transform, rules=[rule])
    assert f" breaks the rule '{rule}': " in str(caught.value)
    assert found in str(caught.value)


def test_each_rule_can_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(TRANSFORM_RULES)


def test_a_sound_transform() -> None:
    check_transform(Chain)
    check_transform(Nameless, skip=["it_is_a_transform"])


def test_other_edges_are_named() -> None:
    found = r"the edges \[\(.*\)\] of .*'text_similar'"

    class Changing(SimilarityGraph):
        def forward(self, data: HeteroData) -> HeteroData:
            self.k = 2 if "test_edge_label_index" in data[INTERACTS] else 3
            return super().forward(data)

    with pytest.raises(ContractError, match=found):
        check_transform(Changing, in_channels={"text": 4})
