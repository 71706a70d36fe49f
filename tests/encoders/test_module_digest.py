from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Linear, Module, Sequential

from soil_pyg.encoders.module_digest import module_digest


def network(
    power: float = 2.0, act: Callable[[Tensor], Tensor] = torch.relu, **more: Any
) -> Module:
    class Net(Module):
        factor = more.get("factor", 1)

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(more.get("seed", 0))
            self.layer = Linear(3, 2)
            self.power, self.act, self.sizes = power, act, [1, more.get("size", 2)]

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.layer(x)) ** self.power + more.get("offset", 0)

    return Sequential(Net())


def twice(x: Tensor) -> Tensor:
    return 2 * x


def thrice(x: Tensor) -> Tensor:
    return 3 * x


class Other(Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = Linear(3, 2)


class Changed(Other):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + 1


def test_the_same_network_has_the_same_digest() -> None:
    assert module_digest(network()) == module_digest(network())
    assert module_digest(network(act=twice)) == module_digest(network(act=twice))
    trained = network().train()
    assert module_digest(trained) == module_digest(network().eval())


@pytest.mark.parametrize(
    "other",
    [
        network(power=3.0),
        network(act=torch.sigmoid),
        network(act=twice),
        network(factor=2),
        network(size=3),
        network(seed=1),
        network(offset=1),
        Sequential(Other()),
        Sequential(Changed()),
    ],
)
def test_another_network_has_another_digest(other: Module) -> None:
    assert module_digest(other) != module_digest(network())


def test_code_counts() -> None:
    assert module_digest(Other()) != module_digest(Changed())
    assert module_digest(network(act=twice)) != module_digest(network(act=thrice))
