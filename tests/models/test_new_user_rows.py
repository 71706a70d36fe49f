"""The rows of new users are those of the graphs of all users, built anew."""

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import adjacency, normalized_interactions
from soil_pyg.models.new_user_rows import (
    LaterItemError,
    NewUserRows,
    edges_of_new_users,
)
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, SOILGraphs
from soil_pyg.models.soil_user_rows import SOILUserRows
from soil_pyg.models.user_graph_newcomers import similar_to_new
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.degrees import item_degree
from soil_pyg.testing import small_data
from soil_pyg.transforms import UserGraph
from soil_pyg.transforms.user_graph import USER_USER
from soil_pyg.typing import INTERACTS, ITEM, USER

SIZES = {"image": 5, "text": 3}
NEW = torch.tensor([[2, 0, 1, 1, 2, 0], [1, 1, 1, 6, 0, 5]])
"""Three users with an item in common; some of their items have no known buyer."""


def extended() -> HeteroData:
    """Returns the data with the new users after the known ones."""
    data = small_data(SIZES)
    first = data[USER].num_nodes
    data[USER].num_nodes = first + 3
    later = NEW + torch.tensor([[first], [0]])
    data[INTERACTS].edge_index = torch.cat([data[INTERACTS].edge_index, later], dim=1)
    return data


def last_rows(matrix: Adjacency) -> torch.Tensor:
    return matrix.to_dense()[-3:]


def test_interactions() -> None:
    found = NewUserRows(item_degree(small_data(SIZES)))(NEW, 3)
    whole = adjacency(normalized_interactions()(extended()), INTERACTS)
    assert found.to_dense().equal(last_rows(whole.t()))


@pytest.mark.parametrize("aggregation", ["sum", "sym", "sym_user_index"])
@pytest.mark.parametrize("exclude_interacted", [True, False])
@pytest.mark.parametrize("second_order", [True, False])
def test_graphs_of_soil(aggregation: str, exclude_interacted: bool, second_order: bool) -> None:
    graphs = SOILGraphs(
        k=3,
        k_i=2,
        aggregation=aggregation,
        exclude_interacted=exclude_interacted,
        second_order=second_order,
        second_order_scale=0.5,
        min_weight=0.1,
    )
    rows = SOILUserRows(graphs(small_data(SIZES)), graphs)
    whole = graphs(extended())
    for _ in range(2):
        for found, edge_type in zip(rows(NEW, 3), (USER_ITEM, AGGREGATION), strict=True):
            assert found.to_dense().equal(last_rows(adjacency(whole, edge_type).t()))


@pytest.mark.parametrize("user_k", [1, 3, 40])
def test_similar_users(user_k: int) -> None:
    known = Adjacency.from_edge_index(
        small_data(SIZES)[INTERACTS].edge_index,
        size=(small_data(SIZES)[USER].num_nodes, small_data(SIZES)[ITEM].num_nodes),
    )
    found = similar_to_new(known, edges_of_new_users(NEW, 3, known.size[0]), user_k)
    whole = adjacency(UserGraph(user_k)(extended()), USER_USER)
    assert found.to_dense().equal(last_rows(whole))


def test_later_items_are_refused() -> None:
    with pytest.raises(LaterItemError) as error:
        edges_of_new_users(torch.tensor([[0, 0], [1, 7]]), 1, 7)
    assert error.value.item == 7


def test_degrees_that_are_not_positive_are_refused() -> None:
    edges = Adjacency.from_edge_index(torch.tensor([[0], [0]]), torch.tensor([-1.0]), size=(1, 1))
    with pytest.raises(ValueError, match="negative='drop'"):
        NewUserRows(torch.tensor([3.0])).normalize(edges)
