import json
import time
from pathlib import Path

import pytest

import run
from soil_bench.speed.ranks import ranks_lines
from soil_bench.speed.ranks_worker import Clocked

SMALL = ["ranks", "--items", "60", "--part-users", "30", "--batches-per-step", "2"]


@pytest.mark.slow
def test_the_same_steps_on_one_and_two_processes(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, "--steps", "2", "--out", str(tmp_path)]
    assert run.main(arguments) == 0
    assert calls == ["draw_synthetic", "build_fast", *["train"] * 4, "train_side_by_side"]
    record = json.loads((tmp_path / "ranks.json").read_text())
    *rows, together = record["rows"]
    assert [(row["ranks"], row["sharded"]) for row in rows] == [
        *((1, False), (1, True), (2, False), (2, True))
    ]
    assert (together["trainings"], together["epoch_seconds"] > 0) == (2, True)
    assert together["loss"] == rows[0]["loss"]
    assert all(row["loss"] == pytest.approx(rows[0]["loss"], rel=1e-5) for row in rows)
    assert [row["bytes_per_step"] > 0 for row in rows] == [False, False, True, True]
    assert "sharded" in capsys.readouterr().out
    assert run.main(arguments) == 0
    assert len(calls) == 7


def test_what_an_epoch_has_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 10.0, 11.0, 20.0, 22.0, 30.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    batches = Clocked(iter("abc"))
    assert "".join(batches) == "abc"
    assert batches.once() == 9.0 - 2.0
    assert Clocked(iter([])).once() == 0.0


def test_lines_of_the_page() -> None:
    values = {
        "batches_per_step": 4,
        "extrapolated": True,
        "bytes_per_step": 2e6,
        "epoch_processor_seconds": 4.0,
    }
    rows = [
        {"ranks": ranks, "sharded": False, "epoch_seconds": seconds, **values}
        for ranks, seconds in ((1, 6.0), (2, 4.0))
    ]
    together = {"trainings": 2, "sharded": False, "epoch_seconds": 7.5, **values}
    lines = ranks_lines({"users": 2000, "items": 1000, "rows": [*rows, together]})
    assert lines[0] == "Epochs in partitions, 2,000 users, 1,000 items, 4 batches per step:"
    assert any("1.50" in line and "| 2 |" in line for line in lines)
    assert any("1.25 times" in line and "speed-up of 1.60" in line for line in lines)
    assert any("Extrapolated" in line for line in lines)


@pytest.mark.parametrize(
    ("argument", "value", "name"),
    [("--ranks", "3", "--ranks"), ("--part-users", "61", "--part-users")],
)
def test_wrong_arguments(
    argument: str, value: str, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main([*SMALL, argument, value, "--out", str(tmp_path)]) == 2
    assert name in capsys.readouterr().err
