"""A table that one process cannot hold is trained by two."""

import subprocess
import sys
from pathlib import Path

import pytest

from train_limited import TABLE_BYTES, train

SCRIPT = Path(__file__).with_name("train_limited.py")
LIMIT = 5 * TABLE_BYTES // 2
"""The bytes of a process: one holds a table and two moments, two hold half of each."""


def run_limited(folder: Path, devices: int, shard: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, (folder, devices, shard, LIMIT))]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_a_table_larger_than_a_process(tmp_path: Path) -> None:
    ended = run_limited(tmp_path / "alone", 1, False)
    assert ended.returncode != 0
    assert "can't allocate memory" in ended.stderr
    ended = run_limited(tmp_path / "pair", 2, True)
    assert ended.returncode == 0, ended.stderr
    train(tmp_path / "whole", 1, False)
    for name in ("model.safetensors", "embeddings.safetensors"):
        assert (tmp_path / "pair" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
