import torch
from torch_geometric.data import HeteroData

from soil_pyg.ops.degrees import item_degree, user_degree
from soil_pyg.typing import INTERACTS, ITEM, USER


def test_distinct_interactions_count() -> None:
    edge_index = torch.randint(5, (2, 60), generator=torch.Generator().manual_seed(0))
    data = HeteroData({USER: {"num_nodes": 7}, ITEM: {"num_nodes": 6}})
    data[INTERACTS].edge_index = edge_index.clone()
    pairs = set(map(tuple, edge_index.t().tolist()))
    assert len(pairs) < 60
    assert user_degree(data).tolist() == [sum(u == n for u, _ in pairs) for n in range(7)]
    assert item_degree(data).tolist() == [sum(i == n for _, i in pairs) for n in range(6)]
    assert torch.equal(data[INTERACTS].edge_index, edge_index)


def test_changed_interactions_are_counted_again() -> None:
    data = HeteroData({USER: {"num_nodes": 1}, ITEM: {"num_nodes": 2}})
    data[INTERACTS].edge_index = torch.tensor([[0], [0]])
    assert item_degree(data).tolist() == [1, 0]
    data[INTERACTS].edge_index[1] = 1
    assert item_degree(data).tolist() == [0, 1]
    data[ITEM].num_nodes = 3
    assert item_degree(data).tolist() == [0, 1, 0]
