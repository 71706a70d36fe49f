from pathlib import Path
from typing import Any

import pytest
import torch

from soil_bench.speed import measurement
from soil_bench.speed.measurement import Measurement, Meter, call_isolated

MODULE = """


def double(value):
    print("noise on standard output")
    return {"value": 2 * value}


def fail():
    raise ValueError("as told")
"""
MEBIBYTE = 2**20


def test_meter_sees_memory_that_is_freed_again() -> None:
    peaks = []
    for size in (256, 64):
        with Meter() as meter:
            torch.ones(size * MEBIBYTE // 4).sum()
        record = meter.record()
        assert list(record) == ["seconds", "peak_rss_mb", "above_inputs_mb", "peak_gpu_mb"]
        assert 0 < record["seconds"] < 60
        assert record["peak_rss_mb"] > record["above_inputs_mb"] > 0.9 * size
        peaks.append(record["above_inputs_mb"])
    assert peaks[1] < 128 < peaks[0] < 400


def test_meter_leaves_out_the_inputs() -> None:
    inputs = torch.ones(128 * MEBIBYTE // 4)
    with Meter() as meter:
        inputs.add_(1)
    assert meter.record()["above_inputs_mb"] < 64


def test_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "measured_here.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    assert call_isolated("measured_here:double", {"value": 21}) == {"value": 42}
    assert "noise" in capfd.readouterr().out
    with pytest.raises(RuntimeError, match=r"measured_here:fail .* 2$"):
        call_isolated("measured_here:fail", {})


def test_needed_files_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        calls.append((function, arguments))
        if "path" in arguments:
            Path(arguments["path"]).touch()
        return {"calls": len(calls)}

    monkeypatch.setattr(measurement, "call_isolated", measure)
    data = Measurement("m:draw", {"size": 3}, path=tmp_path / "work" / "data")
    graphs = Measurement("m:build", {"k": 2}, {"inputs": data}, tmp_path / "work" / "graphs")
    train = Measurement("m:train", {}, {"graphs": graphs})
    assert train.run() == {"calls": 3}
    assert train.run() == {"calls": 4}
    made, built = str(data.path), str(graphs.path)
    assert calls == [
        ("m:draw", {"size": 3, "path": made}),
        ("m:build", {"k": 2, "inputs": made, "path": built}),
        ("m:train", {"graphs": built}),
        ("m:train", {"graphs": built}),
    ]
