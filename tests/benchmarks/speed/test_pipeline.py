import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import run
from soil_bench.speed.pipeline import pipeline_lines
from soil_bench.speed.pipeline_input import write_input

STAGES = ["draw", "prepare", "graphs", "train", "train", "recommend"]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    sizes = ["--users", "300", "--items", "200", "--pairs", "3000", "--channels", '{"image": 8}']
    few = ["--steps", "4", "--part-users", "100", "--recommended", "50"]
    return ["pipeline", *sizes, *few, "--out", str(tmp_path / "out")]


def test_from_the_table_to_recommendations(
    calls: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(arguments) == 0
    assert calls == STAGES
    record = json.loads((tmp_path / "out" / "pipeline.json").read_text())
    stages = record["stages"]
    assert list(stages) == ["prepare", "graphs", "checkpoint", "resume", "recommend"]
    assert sum(stages["prepare"]["size"][split] for split in ("train", "val", "test")) == 3000
    assert stages["checkpoint"]["resumed_after"] == 0
    assert stages["resume"]["resumed_after"] == 2
    assert stages["recommend"]["lines"] == 500
    assert all(stage["peak_rss_mb"] > 0 for stage in stages.values())
    assert "first half of the steps, checkpoint" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("pipeline.json", "pipeline.jsonl")
    ]
    lines = pipeline_lines(record)
    assert lines[0] == "Pipeline, 300 users, 200 items, 3,000 pairs:"
    assert lines[2] == "| stage | s | GiB |"

    assert run.main(arguments) == 0
    assert calls == STAGES


def test_an_interrupted_pipeline_goes_on(
    calls: list[str], arguments: list[str], failing: Callable[..., Any]
) -> None:
    with failing(lambda name, given: name == "train" and given["is_last"], KeyboardInterrupt()):
        assert run.main(arguments) == 130
    assert calls == STAGES[:4]
    assert run.main(arguments) == 0
    assert calls == STAGES


def test_the_input_has_the_structure_of_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_bench.speed.pipeline_input.ITEMS_PER_CLUSTER", 20)
    write_input(tmp_path, 2000, 1000, 16_000, {"image": 16})
    pairs = pd.read_parquet(tmp_path / "pairs.parquet")
    assert len(pairs) == len(pairs.drop_duplicates()) == 16_000
    assert pairs.user.between(0, 1999).all()
    assert pairs.item.between(0, 999).all()
    assert np.load(tmp_path / "items.npy").tolist() == list(range(1000))
    popularity = np.sort(pairs.item.value_counts())[::-1]
    assert popularity[:50].sum() > 0.15 * len(pairs)
    x = np.load(tmp_path / "image.npy")
    first, second = (pairs.groupby("user").item.nth(n) for n in (0, 1))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    size = min(len(first), len(second))
    of_user = (x[first.to_numpy()[:size]] * x[second.to_numpy()[:size]]).sum(axis=1).mean()
    at_random = (x @ x.mean(axis=0)).mean()
    assert of_user > at_random + 0.05
