import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.serving.seen_items import SeenItems
from soil_pyg.typing import INTERACTS, TRAINED_EARLIER
from soil_pyg.workflow.recommend import seen_pairs


@pytest.mark.parametrize("exclude_seen", ["all", "train"])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_items_are_those_of_the_pairs(data: HeteroData, exclude_seen: str, is_sorted: bool) -> None:
    data[INTERACTS][TRAINED_EARLIER] = torch.tensor([[3, 5], [1, 2]])
    if not is_sorted:
        data[INTERACTS].edge_index = data[INTERACTS].edge_index.flip([1])
    users = torch.tensor([5, 3, 29, 5, 0])
    user, item = seen_pairs(data, exclude_seen)
    found = SeenItems(data).of(users, exclude_seen)
    expected = [sorted(item[user == u].tolist()) for u in users]
    assert [sorted(items.tolist()) for items in found] == expected


def test_none_are_left_out(data: HeteroData) -> None:
    assert [len(items) for items in SeenItems(data).of(torch.tensor([0, 1]), "none")] == [0, 0]
