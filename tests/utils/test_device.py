import pytest
import torch

from soil_pyg.utils.device import resolve_device


def test_device_by_name() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_is_an_accelerator_if_there_is_one() -> None:
    kind = resolve_device("auto").type
    assert (kind == "cpu") != torch.accelerator.is_available()


@pytest.mark.parametrize("device", ["gpu", "xla:9", "", "cuda:99"])
def test_unknown_or_absent_device(device: str) -> None:
    with pytest.raises(ValueError, match=rf"'device' .*\(got '{device}': "):
        resolve_device(device)


def test_a_device_that_is_not_supported() -> None:
    assert resolve_device("auto", supported=("cpu",)).type == "cpu"
    with pytest.raises(ValueError, match=r"'--device' .*'cpu', 'cuda' \(got 'meta'\)"):
        resolve_device("meta", "--device", supported=("cpu", "cuda"))
