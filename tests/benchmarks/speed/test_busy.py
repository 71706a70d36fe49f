import json
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.speed import busy
from soil_bench.speed.busy import busy_lines
from soil_bench.speed.busy_measure import WAYS, busy_process, train_beside
from soil_bench.speed.measurement import Measurement

SPINNING = list(WAYS)[-1]


def test_each_way_is_measured_alone_and_beside_a_busy_process_in_turn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def measure(self: object, measurement: Measurement, identity: Any) -> Any:
        settings = measurement.settings
        asked.append((identity["repeat"], settings["way"], settings["is_busy"]))
        is_ended = settings["is_busy"] and settings["way"] == SPINNING
        return {"seconds": None if is_ended else 2.0 + identity["repeat"] + settings["is_busy"]}

    monkeypatch.setattr(busy.Measurements, "measure", measure)
    assert run.main(["busy", "--repeat", "2", "--limit", "7", "--out", str(tmp_path)]) == 0
    assert asked == [
        (repeat, way, is_busy) for repeat in range(2) for way in WAYS for is_busy in (False, True)
    ]
    record = json.loads((tmp_path / "busy.json").read_text())
    assert record["rows"][0] == {"way": asked[0][1], "alone": [2.0, 3.0], "busy": [3.0, 4.0]}
    assert record["rows"][-1]["busy"] == [None, None]
    assert "over 7" in capsys.readouterr().out


def test_lines_of_the_page() -> None:
    rows = [
        {"way": "a", "alone": [2.0, 9.0, 3.0], "busy": [5.0, 6.0, None]},
        {"way": "b", "alone": [4.0], "busy": [None]},
    ]
    lines = busy_lines({"epochs": 6, "limit": 60, "rows": rows})
    assert "| a | 3.0 | 6.0 | 2.0 |" in lines
    assert "| b | 4.0 | over 60 |  |" in lines


def test_training_is_timed_or_ended(capfd: pytest.CaptureFixture[str]) -> None:
    found = train_beside(next(iter(WAYS)), True, 1, 120)
    assert 0 < found["seconds"] < 120
    assert "epoch 1/1" in capfd.readouterr().err
    assert train_beside(SPINNING, False, 1, 1) == {"seconds": None}


def test_the_busy_process_ends() -> None:
    with busy_process() as process:
        assert process is not None
        assert process.poll() is None
    assert process.poll() is not None
    with busy_process(is_busy=False) as process:
        assert process is None
