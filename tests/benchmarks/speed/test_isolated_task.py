from pathlib import Path
from typing import Any

import pytest

from soil_bench.speed import isolated
from soil_bench.speed.isolated import Task


def test_needed_files_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        calls.append((function, arguments))
        if "path" in arguments:
            Path(arguments["path"]).touch()
        return {"calls": len(calls)}

    monkeypatch.setattr(isolated, "measure", measure)
    data = Task("m:draw", {"size": 3}, path=tmp_path / "work" / "data")
    graphs = Task("m:build", {"k": 2}, {"inputs": data}, tmp_path / "work" / "graphs")
    train = Task("m:train", {}, {"graphs": graphs})
    assert train.run() == {"calls": 3}
    assert train.run() == {"calls": 4}
    made, built = str(data.path), str(graphs.path)
    assert calls == [
        ("m:draw", {"size": 3, "path": made}),
        ("m:build", {"k": 2, "inputs": made, "path": built}),
        ("m:train", {"graphs": built}),
        ("m:train", {"graphs": built}),
    ]
