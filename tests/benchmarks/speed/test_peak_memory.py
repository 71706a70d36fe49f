import io
import json
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soil_bench.speed.peak_memory import PeakMemory
from soil_bench.speed.propagation import draw
from soil_bench.speed.propagation_cases import Graph


@pytest.mark.skipif(not hasattr(os, "fork"), reason="measured where processes can be forked")
def test_messages_are_counted_and_inputs_are_not(tmp_path: Path) -> None:
    graph = Graph("messages", 1_000, 1_000, 200_000, 64)
    draw(graph, seed=0).save(tmp_path / "case.npz")
    job = {
        "module": "soil_bench.speed.propagation",
        "spec": asdict(graph),
        "file": str(tmp_path / "case.npz"),
    }
    with PeakMemory() as memory:
        gather = memory.measure({**job, "contestant": "PyG gather-scatter"})
        csr = memory.measure({**job, "contestant": "torch CSR"})
        unknown = memory.measure({**job, "contestant": "unknown"})
        lost = memory.measure({**job, "contestant": "torch CSR", "file": "no such file"})
    # One message per channel and edge is 48.8 MiB; the weighted one is also held.
    assert 48 < gather["forward"] < 120
    assert gather["forward"] <= gather["forward+backward"] < 220
    assert 0 < csr["forward"] < 8
    assert (unknown, lost) == ({}, {})


def test_a_process_that_was_killed() -> None:
    memory = PeakMemory()
    stdout = io.StringIO(json.dumps({"signal": 9}) + "\n")
    process: Any = SimpleNamespace(stdin=io.StringIO(), stdout=stdout)
    memory._process = process
    with pytest.raises(MemoryError, match="SIGKILL"):
        memory.measure({"contestant": "x"})


def test_where_nothing_can_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with PeakMemory() as memory:
        assert memory.measure({"contestant": "x"}) == {}
