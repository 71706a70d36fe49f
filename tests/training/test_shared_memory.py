import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from soil_pyg.training.shared_memory import memory_of_machine
from threads import Threads


def make_ranks(threads: Threads, rank: int, per_machine: int) -> Any:
    ranks: Any = SimpleNamespace(rank=rank, size=threads.size)
    place = {"node_rank": rank // per_machine, "local_rank": rank % per_machine}
    ranks.fabric = SimpleNamespace(**place)
    ranks.each = lambda function: threads.exchange(function())
    ranks.share = lambda value: threads.exchange(value)[0]
    return ranks


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("soil_pyg.training.shared_memory.gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_the_processes_of_a_machine_share_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(4, monkeypatch)

    def call(rank: int) -> Tensor:
        found = memory_of_machine(make_ranks(threads, rank, 2), (3, 2), torch.float)
        if rank % 2 == 0:
            found.fill_(float(rank))
        threads.exchange(None)
        assert not list(folder.iterdir())
        return found.clone()

    for rank, found in enumerate(threads.run(call)):
        assert torch.equal(found, torch.full((3, 2), float(rank - rank % 2)))


def test_a_full_disk_is_an_error_that_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, begin: int, size: int) -> None:
        assert size == 3 * 2 * 8
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    threads = Threads(1, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        threads.run(lambda r: memory_of_machine(make_ranks(threads, r, 1), (3, 2), torch.double))
    assert not list(folder.iterdir())
