from pathlib import Path

import pytest
import torch
from torch import Tensor

from soil_pyg.runs.shards import Shards, shard_paths
from soil_pyg.runs.tensor_file import save_tensors
from soil_pyg.utils.records import DamagedFileError


@pytest.fixture
def table() -> Tensor:
    return torch.randn(11, 3, generator=torch.Generator().manual_seed(0))


def save(folder: Path, table: Tensor, size: int) -> list[Path]:
    paths = shard_paths(folder, "epoch-1", size)
    for rank, path in enumerate(paths):
        save_tensors(path, {"table": table[rank::size], "more": torch.ones(2)})
    return paths


@pytest.mark.parametrize("stored", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 12])
def test_another_number_of_processes(
    stored: int, size: int, table: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_pyg.datasets.stored_table.BLOCK_BYTES", 2 * 3 * 4)
    shards = Shards(save(tmp_path, table, stored))
    assert shards.names() == ["more", "table"]
    for rank in range(size):
        target = torch.full_like(table[rank::size], torch.nan)
        shards.read("table", target, len(table), rank, size)
        assert torch.equal(target, table[rank::size])
    assert torch.equal(shards.merge("table", len(table), tmp_path / "whole"), table)


def test_files_that_do_not_fit(table: Tensor, tmp_path: Path) -> None:
    paths = save(tmp_path, table, 2)
    shards = Shards(paths)
    with pytest.raises(DamagedFileError, match=r"does not fit .*'table' has the shape \[6, 3\]"):
        shards.merge("table", 13, tmp_path / "whole")
    with pytest.raises(DamagedFileError, match="does not fit"):
        shards.read("table", torch.empty(11, 4), 11, 0, 1)
    with pytest.raises(DamagedFileError, match="'other' has the shape"):
        shards.read("other", torch.empty(11, 4), 11, 0, 1)
    with pytest.raises(DamagedFileError, match="'more'"):
        shards.read("more", torch.empty(2, 1), 2, 0, 1)
    paths[1].unlink()
    with pytest.raises(FileNotFoundError):
        Shards(paths)


@pytest.mark.parametrize("place", ["start", "header", "end", "cut", "empty"])
def test_damaged_files(place: str, table: Tensor, tmp_path: Path) -> None:
    path = save(tmp_path, table, 2)[1]
    content = bytearray(path.read_bytes())
    index = {"start": 4, "header": 30, "end": len(content) - 1}.get(place, 0)
    content[index] ^= 255
    kept = {"cut": len(content) - 5, "empty": 0}.get(place, len(content))
    path.write_bytes(content[:kept])
    with pytest.raises(DamagedFileError, match="is damaged"):
        Shards([path])
