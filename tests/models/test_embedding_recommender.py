import math

import pytest
import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import VBPR, EmbeddingRecommender
from soil_pyg.typing import Triplets


class Plain(EmbeddingRecommender):
    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return self.tables

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {}


class Mapped(Plain):
    def __init__(self, num_users: int, num_items: int, *, hidden_channels: int = 8) -> None:
        super().__init__(num_users, num_items, hidden_channels=hidden_channels)
        self.map = Linear(hidden_channels, hidden_channels)
        self.num_resets = 0
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        torch.nn.init.zeros_(self.map.weight)
        self.num_resets += 1


def test_tables_are_xavier_uniform_without_an_init() -> None:
    model = Plain(50, 40, hidden_channels=100)
    assert model.hidden_channels == 100
    for size, table in zip((50, 40), model.tables, strict=True):
        bound = math.sqrt(6 / (size + 100))
        assert table.size() == (size, 100)
        assert 0.99 * bound < table.abs().max() <= bound


def test_a_reset_of_ones_own_is_called_once_and_last() -> None:
    torch.manual_seed(0)
    model = Mapped(5, 4)
    assert model.num_resets == 1
    assert not model.map.weight.any()
    torch.manual_seed(0)
    tables = [torch.nn.Embedding(size, 8).weight for size in (5, 4)]
    Linear(8, 8)
    for table, expected in zip(model.tables, tables, strict=True):
        torch.nn.init.xavier_uniform_(expected)
        assert table.equal(expected)


def test_options_come_from_the_inherited_signature() -> None:
    assert Plain.model_parameters()["hidden_channels"].default == 64
    assert Plain(2, 3).options["hidden_channels"] == 64


def test_user_factor() -> None:
    user, item = VBPR(3, 4, {"image": 5}, hidden_channels=6).tables
    assert (user.size(), item.size()) == ((3, 12), (4, 6))


def test_hidden_channels_below_one() -> None:
    with pytest.raises(ValueError, match=r"'hidden_channels'.*\(got 0\)"):
        Plain(2, 3, hidden_channels=0)


test_wrong_arguments = wrong_arguments("EmbeddingRecommender")
