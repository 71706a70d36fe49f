import pytest
import torch
from lightning_fabric.strategies import SingleDeviceStrategy

from soil_pyg.training.make_fabric import make_fabric


def test_one_device_joins_no_others() -> None:
    fabric = make_fabric("cpu", "32-true")
    assert isinstance(fabric.strategy, SingleDeviceStrategy)
    assert (fabric.world_size, fabric.global_rank) == (1, 0)


def test_a_model_is_not_wrapped() -> None:
    fabric = make_fabric("cpu", "32-true", "ddp")
    model = torch.nn.Linear(1, 1)
    assert fabric.strategy.setup_module(model) is model
    assert make_fabric("cpu", "32-true", "auto", 2, 3).world_size == 6


@pytest.mark.parametrize("devices", [1, 2])
def test_a_device_that_is_not_there(devices: int) -> None:
    with pytest.raises(ValueError, match=r"^'accelerator' .*\(got 'tpu'"):
        make_fabric("tpu", "32-true", devices=devices)
