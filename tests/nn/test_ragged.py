import torch

from soil_pyg.nn.ragged import budget_blocks, expand, group_pointers


def test_expand() -> None:
    position, owner = expand(torch.tensor([4, 0, 9]), torch.tensor([2, 0, 3]))
    assert position.tolist() == [4, 5, 9, 10, 11]
    assert owner.tolist() == [0, 0, 2, 2, 2]


def test_group_pointers() -> None:
    assert group_pointers(torch.tensor([0, 0, 2]), 4).tolist() == [0, 2, 2, 3, 3]


def test_budget_blocks_cover_all_rows() -> None:
    cost = torch.tensor([3, 1, 1, 7, 0, 2])
    assert budget_blocks(cost, 5) == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert budget_blocks(cost[:0], 5) == []
