import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import inputs
import measurements
import run
import task
from graphs import main, rows, spread


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that were measured, here in this process, on a tiny data set."""
    made: list[str] = []

    def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        made.append(function)
        module, _, name = function.partition(":")
        return json.loads(json.dumps(getattr(import_module(module), name)(**arguments)))

    monkeypatch.setattr(task, "measure", measure)
    monkeypatch.setattr(measurements, "versions_and_code", lambda model: {"code": "of the test"})
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in {"BABY_USERS": 60, "BABY_ITEMS": 40, "BABY_DRAWN": 8.0}.items():
        monkeypatch.setattr(inputs, name, value)
    return made


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    out = ["--root", str(tmp_path), "--out", str(tmp_path / "out")]
    sizes = ["--repeat", "2", "--steps", "3", "--batch-size", "64"]
    return [*out, *sizes, "--channels", '{"image": 12, "smell": 5}']


MEASURED = [
    *["measured:build_fast", "measured:build_fast", "measured:epoch_fast", "measured:epoch_fast"],
    *["measured:build_naive", "measured:epoch_naive", "agreement:compare"],
    "measured:alternate_steps",
]


def test_from_the_arguments_to_the_table(
    calls: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert calls == ["inputs:draw_synthetic", *MEASURED]
    report = json.loads((tmp_path / "out" / "graphs.json").read_text())
    assert report["data"] == {"data": "synthetic", "channels": {"image": 12, "smell": 5}}
    assert [len(report["fast"][name]) for name in ("graphs", "epoch", "step")] == [2, 2, 3]
    assert [len(report["naive"][name]) for name in ("graphs", "epoch", "step")] == [1, 1, 3]
    graphs = report["difference"]["graphs"]
    assert sorted(graphs) == ["aggregation", "image_item_item", "smell_item_item", "user_item"]
    assert all(found["entries"] > 40 and found["differing"] == 0 for found in graphs.values())
    assert report["difference"]["embeddings"] < 1e-5
    assert report["fast"]["graphs"][0]["size"].items() >= {"users": 60, "items": 40}.items()

    output = capsys.readouterr().out
    assert "SOIL on synthetic: 60 users, 40 items" in output
    assert "features of 12 + 5 dimensions" in output
    assert "embeddings of the same graphs differ by at most" in output
    assert not (tmp_path / "out" / "work").exists()

    assert main(arguments) == 0
    assert len(calls) == 9
    output = capsys.readouterr().out
    assert output.count("measured before, not measured again") == 8
    assert "embeddings of the same graphs differ by at most" in output


def test_without_the_naive_rendering(
    calls: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--no-naive", "--repeat", "1"]) == 0
    assert calls == ["inputs:draw_synthetic", MEASURED[0], MEASURED[2], MEASURED[7]]
    report = json.loads((tmp_path / "out" / "graphs.json").read_text())
    assert "difference" not in report
    assert [row["ratio"] for row in report["rows"]] == [None] * 6
    assert "embeddings" not in capsys.readouterr().out


def test_an_interrupted_run_goes_on(
    calls: list[str], arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process = task.measure

    def interrupt(function: str, given: dict[str, Any]) -> dict[str, Any]:
        if function == "agreement:compare":
            raise KeyboardInterrupt
        return in_process(function, given)

    monkeypatch.setattr(task, "measure", interrupt)
    assert run.main(["graphs", *arguments]) == 130
    assert not (tmp_path / "out" / "graphs.json").exists()
    assert len((tmp_path / "out" / "graphs.jsonl").read_text().splitlines()) == 6
    monkeypatch.setattr(task, "measure", in_process)
    assert run.main(["graphs", *arguments]) == 0
    assert calls == ["inputs:draw_synthetic", *MEASURED]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--repeat", "0"], 'argument "--repeat":'),
        (["--channels", "{}"], "'--channels' must name at least one modality .got none."),
        (["--channels", '{"image": 0}'], 'argument "--channels'),
        (["--device", "tpu"], 'argument "--device":.*Got value: tpu'),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--rep", "2"], "unrecognized arguments: --rep 2"),
    ],
)
def test_errors(
    calls: list[str],
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    assert run.main(["graphs", *arguments, *more]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error, re.DOTALL)
    assert "All options: run.py graphs --help" in error
    assert calls == []
    assert not (tmp_path / "out").exists()


def test_ratios_and_targets() -> None:
    def side(graphs: list[float], memory: float, step: float, epoch: float) -> dict[str, Any]:
        return {
            "graphs": [{"seconds": s, "above_inputs_mb": memory} for s in graphs],
            "step": [{"seconds": step}],
            "epoch": [{"train": epoch, "evaluate": 1.0}],
        }

    report = {"fast": side([3.0, 1.0, 2.0], 1023.0, 0.2, 9.0)}
    report["naive"] = side([210.0], 4000.0, 0.5, 39.0)
    found = {row["name"].strip(): (row["ratio"], row.get("met")) for row in rows(report)}
    assert found == {
        "all graphs, s": (105.0, True),
        "peak above the inputs, MiB": (4000 / 1023, True),
        "training step, s": (2.5, False),
        "epoch with evaluation, s": (4.0, True),
        "training, s": (39 / 9, None),
        "evaluation, s": (1.0, None),
    }
    assert spread([3.0, 1.0, 2.0]) == "2 (1 to 3)"
    assert spread([210.25]) == "210.2"
    assert spread([]) == "-"
