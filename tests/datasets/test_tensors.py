from pathlib import Path

import pytest
import torch
from torch import Tensor

from soil_pyg.datasets.tensors import read_into, read_tensors, write_tensors
from soil_pyg.utils.records import DamagedFileError

KEY = "key"


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {
        "scalar": torch.tensor(2.5),
        "matrix": torch.arange(12.0).view(3, 4),
        "none": torch.empty(0, 4),
        "bytes": torch.arange(7, dtype=torch.uint8),
    }


@pytest.fixture
def path(tensors: dict[str, Tensor], tmp_path: Path) -> Path:
    write_tensors(tensors, tmp_path / "x", KEY, {"format": 1})
    return tmp_path / "x"


def test_tensors_are_mapped(path: Path, tensors: dict[str, Tensor]) -> None:
    found, header = read_tensors(path, [KEY], "")
    assert header["format"] == 1
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert str(path) in Path("/proc/self/maps").read_text()


def test_the_digest_is_compared_unless_the_file_is_verified(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedFileError, match="changed since"):
        read_tensors(path, [KEY], "")
    assert "matrix" in read_tensors(path, [KEY], "", verified=True)[0]


def test_the_digest_is_read_in_blocks(
    path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_pyg.utils.files.BLOCK_BYTES", 5)
    monkeypatch.setattr("soil_pyg.datasets.tensors.BLOCK_BYTES", 5)
    found, _ = read_tensors(path, [KEY], "")
    targets = {name: torch.empty_like(value) for name, value in tensors.items()}
    read_into(path, found, targets)
    assert all(torch.equal(targets[name], value) for name, value in tensors.items())


def test_reading_into_tensors_of_another_kind(path: Path, tensors: dict[str, Tensor]) -> None:
    found, _ = read_tensors(path, [KEY], "")
    transposed, double = torch.empty(4, 3).t(), torch.empty((), dtype=torch.double)
    read_into(path, found, {"matrix": transposed, "scalar": double})
    assert torch.equal(transposed, tensors["matrix"])
    assert double.item() == 2.5
