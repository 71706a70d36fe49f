import pytest
import torch

from soil_pyg.embed.device import find_device


def test_device_by_name() -> None:
    assert find_device("cpu") == torch.device("cpu")


def test_auto_is_an_accelerator_if_there_is_one() -> None:
    kind = find_device("auto").type
    assert (kind == "cpu") != torch.accelerator.is_available()


@pytest.mark.parametrize("device", ["gpu", "xla:9", ""])
def test_unknown_device(device: str) -> None:
    with pytest.raises(ValueError, match="'device' must be a device of this machine"):
        find_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_absent_device() -> None:
    with pytest.raises(ValueError, match="'device' must be a device of this machine"):
        find_device("cuda")
