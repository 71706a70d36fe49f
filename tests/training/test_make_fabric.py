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


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
@pytest.mark.parametrize(
    ("started", "per_node", "wanted"),
    [("6", "3", "3 with num_nodes=2"), ("6", None, "6 with num_nodes=1")],
)
def test_processes_that_were_started_are_counted(
    monkeypatch: pytest.MonkeyPatch, name: str, started: str, per_node: str | None, wanted: str
) -> None:
    monkeypatch.setenv(name, started)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if per_node is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", per_node)
    for devices, num_nodes in ((1, 1), (2, 2)):
        got = rf"\(got {devices} with num_nodes={num_nodes}\)"
        with pytest.raises(ValueError, match=rf"'devices' must be {wanted} .*{name}=6 {got}"):
            make_fabric("cpu", "32-true", "ddp", devices, num_nodes)
    assert make_fabric("cpu", "32-true", "ddp", 2, 3).world_size == 6
    monkeypatch.setenv(name, "1")
    assert make_fabric("cpu", "32-true").world_size == 1


def test_torchrun_counts_before_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert make_fabric("cpu", "32-true", devices=2).world_size == 2
    monkeypatch.setenv("WORLD_SIZE", "")
    with pytest.raises(ValueError, match="SLURM_STEP_NUM_TASKS=4"):
        make_fabric("cpu", "32-true", devices=2)
