import gc
import sys
from pathlib import Path

import pytest
import torch

from soil_pyg.ops.growing import trim_heap

SIZE = 2**16
COUNT = 2**12


def resident() -> int:
    """The resident memory of this process, in bytes."""
    [line] = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in x]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_goes_back() -> None:
    # What stays lies between what is freed, so that the heap cannot just become shorter.
    freed, stays = [], []
    for _ in range(COUNT):
        freed.append(torch.ones(SIZE, dtype=torch.uint8))
        stays.append(torch.zeros(16))
    full = resident()
    del freed
    gc.collect()
    trim_heap()
    assert full - resident() > COUNT * SIZE // 2
    assert len(stays) == COUNT


def test_a_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    trim_heap()
