import json
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.speed.estimate import estimate, estimate_lines

SIZES = ["--users", "1e4", "--items", "1e3", "--pairs", "1e5", "--channels", '{"image": 8}']
SAMPLE = ["--sample-items", "60", "--part-users", "200", "--machines", "4", "--cores", "2"]


@pytest.fixture
def record() -> dict[str, Any]:
    constants = {
        "prepare_seconds_per_pair": 1e-6,
        "graphs_seconds_per_user": 1e-4,
        "train_seconds_per_pair": 1e-4,
        "rank_seconds_per_score": 1e-9,
        "edges_per_item": 10,
        "edges_per_user": 2,
        "items_per_batch": 1000,
        "batches_per_pair": 1 / 2048,
        "process_bytes": 10**9,
        "train_share": 0.75,
        "sample": {"users": 10, "items": 20, "train": 30, "val": 5, "test": 5},
    }
    size = {"users": 1e8, "items": 1e7, "pairs": 8e8, "machines": 16, "cores": 4, "gbit": 10}
    return {**size, "channels": {"image": 32, "text": 16}, "constants": constants}


def test_the_sums_of_an_estimate(record: dict[str, Any]) -> None:
    found = estimate(record)
    memory = found["memory"]
    assert memory["tables of users"] == 1e8 / 16 * 64 * 4 * 4
    assert memory["rows of items"] == 1e7 / 16 * 64 * 4 * 4
    assert memory["codes of all items"] == 1e7 * 2 * 64
    assert memory["graphs"] == 8 * (10 * 1e7 + 2 * 1e8) / 16
    assert memory["processes"] == 4e9
    assert memory["arrays of all items, per process"] == 4 * 1e7 * 64
    assert memory["final embeddings of all items, to rank"] == 1e7 * 64 * 4
    batches = 8e8 * 0.75 / 16 / 2048
    assert found["network"] == pytest.approx(batches * 1000 * 2 * (64 * 4 + 8) * 15 / 16)
    hours = found["hours"]
    assert hours["epoch, computing"] == pytest.approx(8e8 * 0.75 / 16 * 1e-4 / 4 / 3600)
    assert hours["epoch, network"] == pytest.approx(found["network"] / 1.25e9 / 3600)
    assert hours["recommend to all, exactly"] == pytest.approx(1e15 / 16 * 1e-9 / 4 / 3600)


def test_one_machine_sends_nothing(record: dict[str, Any]) -> None:
    assert estimate(record | {"machines": 1})["network"] == 0


def test_from_a_sample_to_the_table(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["estimate", *SIZES, *SAMPLE, "--out", str(tmp_path / "out")]
    assert run.main(argv) == 0
    record = json.loads((tmp_path / "out" / "estimate.json").read_text())
    sample = record["constants"]["sample"]
    assert sample["users"] <= 600
    assert sum(sample[split] for split in ("train", "val", "test")) <= 6000
    assert all(value > 0 for name, value in record["constants"].items() if name != "sample")
    assert record["estimate"] == estimate(record)
    assert calls == ["draw", "prepare", "graphs", "train", "rank"]
    assert "rows of items" in capsys.readouterr().out
    lines = estimate_lines(record)
    assert lines[0] == "Estimate per machine, 10,000 users, 1,000 items, 100,000 pairs:"
    assert lines[2] == "| unit | of | per machine |"
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["estimate.json", "estimate.jsonl"]

    # Other machines need no other constants.
    assert run.main(["8" if word == "4" else word for word in argv]) == 0
    assert len(calls) == 5
    again = json.loads((tmp_path / "out" / "estimate.json").read_text())
    assert again["constants"] == record["constants"]
    assert again["estimate"]["memory"]["pairs"] == record["estimate"]["memory"]["pairs"] / 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pairs", "1e5", "--users", "1e5"], "'--pairs' must be at least 4 per user"),
        (["--channels", "{}"], "'--channels'"),
        (["--machines", "0"], "--machines"),
        (["--users", "many"], "--users"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert run.main(["estimate", *flags, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
