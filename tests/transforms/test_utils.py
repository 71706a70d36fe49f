import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.transforms.utils import budget_blocks, count_nodes, unit_features


def test_unit_features_of_tiny_and_huge_rows_are_exact() -> None:
    data = HeteroData()
    data["item"].x_image = torch.tensor([[3e-30, 4e-30], [3e30, 4e30], [0.0, 0.0]])
    unit, has = unit_features(data, None, "item")["image"]
    assert has.tolist() == [True, True, False]
    expected = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]])
    torch.testing.assert_close(unit, expected)


def test_count_nodes() -> None:
    data = HeteroData()
    data["item"].x_image = torch.zeros(4, 2)
    assert count_nodes(data, "item") == 4
    data["item"].num_nodes = 5
    assert count_nodes(data, "item") == 5
    with pytest.raises(ValueError, match=r"set data\['user'\]\.num_nodes"):
        count_nodes(data, "user")


def test_budget_blocks_cover_all_rows() -> None:
    cost = torch.tensor([3, 1, 1, 7, 0, 2])
    assert budget_blocks(cost, 5) == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert budget_blocks(cost[:0], 5) == []
