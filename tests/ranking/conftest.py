from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData


class Tables(torch.nn.Module):
    """A model that returns two tables and records the modes in which it is called."""

    def __init__(self, user_emb: Tensor, item_emb: Tensor) -> None:
        super().__init__()
        self.user_emb, self.item_emb = user_emb, item_emb
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.user_emb, self.item_emb


@pytest.fixture
def tables() -> type[Tables]:
    return Tables


@pytest.fixture
def normal() -> Callable[..., Tensor]:
    """Draws from the normal distribution."""

    def draw(*size: int, seed: int = 0) -> Tensor:
        return torch.randn(*size, generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture
def few_values() -> Callable[..., Tensor]:
    """Draws from three values, whose products are exact and often equal."""

    def draw(*size: int, seed: int = 0) -> Tensor:
        return torch.randint(-1, 2, size, generator=torch.Generator().manual_seed(seed)).float()

    return draw


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)
