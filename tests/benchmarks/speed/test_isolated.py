from pathlib import Path

import pytest
import torch

from soil_bench.speed.isolated import Meter, measure

MODULE = """
import sys


def double(value):
    print("noise on standard output")
    return {"value": 2 * value}


def fail():
    sys.exit(3)
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
    assert measure("measured_here:double", {"value": 21}) == {"value": 42}
    assert "noise" in capfd.readouterr().out
    with pytest.raises(RuntimeError, match="process of measured_here:fail ended with exit code 3"):
        measure("measured_here:fail", {})
