import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from torch import Tensor
from torch_geometric.data import HeteroData

import run
from soil_bench.speed import inputs, naive, roofline
from soil_bench.speed.graphs import main


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "COPIED", 2**12)
    for name, value in {"BABY_USERS": 60, "BABY_ITEMS": 40, "BABY_DRAWN": 8.0}.items():
        monkeypatch.setattr(inputs, name, value)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    out = ["--root", str(tmp_path), "--out", str(tmp_path / "out")]
    sizes = ["--repeat", "2", "--steps", "3", "--batch-size", "64"]
    return [*out, *sizes, "--channels", '{"image": 12, "smell": 5}']


MEASURED = [
    *["build_fast", "build_fast", "epoch_fast", "epoch_fast"],
    *["build_naive", "epoch_naive", "compare"],
    *["alternate_steps", "profile_steps"],
]


def test_from_the_arguments_to_the_table(
    calls: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert calls == ["draw_synthetic", *MEASURED]
    report = json.loads((tmp_path / "out" / "graphs.json").read_text())
    assert report["data"] == {"data": "synthetic", "channels": {"image": 12, "smell": 5}}
    assert [len(report["fast"][name]) for name in ("graphs", "epoch", "step")] == [2, 2, 3]
    assert [len(report["naive"][name]) for name in ("graphs", "epoch", "step")] == [1, 1, 3]
    graphs = report["difference"]["graphs"]
    assert sorted(graphs) == ["aggregation", "image_item_item", "smell_item_item", "user_item"]
    assert all(found["entries"] > 40 and found["differing"] == 0 for found in graphs.values())
    assert report["difference"]["embeddings"] < 1e-5
    step = median(result["seconds"] for result in report["fast"]["step"])
    (row,) = [row for row in report["rows"] if "roofline" in row["name"]]
    assert row["median"] == {"fast": report["roofline"]["seconds"], "naive": None}
    assert row["ratio"] == pytest.approx(step / report["roofline"]["seconds"])
    assert report["fast"]["graphs"][0]["size"].items() >= {"users": 60, "items": 40}.items()

    output = capsys.readouterr().out
    assert "SOIL, synthetic data, 60 users, 40 items" in output
    assert "features of 12 + 5 dimensions" in output
    assert "embeddings of the same graphs differ by at most" in output
    assert not (tmp_path / "out" / "work").exists()

    assert main(arguments) == 0
    assert len(calls) == 10
    output = capsys.readouterr().out
    assert output.count("measured before, not measured again") == 9
    assert "embeddings of the same graphs differ by at most" in output


def test_without_the_naive_rendering(
    calls: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--no-naive"]) == 0
    assert calls == ["draw_synthetic", *MEASURED[:4], *MEASURED[7:]]
    report = json.loads((tmp_path / "out" / "graphs.json").read_text())
    assert "difference" not in report
    ratios = {row["name"].strip(): row["ratio"] for row in report["rows"]}
    assert ratios.pop("roofline of the step, s") > 0
    assert list(ratios.values()) == [None] * 6
    output = capsys.readouterr().out
    assert "roofline of the step, ms: features" in output
    assert "profile of a step, ms of" in output
    assert "embeddings" not in output


def test_graphs_that_differ_fail(
    calls: list[str],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build = naive.graphs

    def build_others(data: HeteroData, **options: Any) -> dict[str, Tensor]:
        return build(data, **{**options, "k": 9})

    monkeypatch.setattr(naive, "graphs", build_others)
    assert main(arguments) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in errors] == ["image_item_item", "smell_item_item"]
    assert all(re.search(r"\d+ of \d[\d,]* entries differ without a tie", line) for line in errors)
    assert (tmp_path / "out" / "graphs.json").exists()


def test_an_interrupted_run_goes_on(
    calls: list[str], arguments: list[str], tmp_path: Path, failing: Callable[..., Any]
) -> None:
    with failing(lambda name, _: name == "compare", KeyboardInterrupt()):
        assert run.main(["graphs", *arguments]) == 130
    assert not (tmp_path / "out" / "graphs.json").exists()
    assert len((tmp_path / "out" / "graphs.jsonl").read_text().splitlines()) == 6
    assert run.main(["graphs", *arguments]) == 0
    assert calls == ["draw_synthetic", *MEASURED]
