import json
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonargparse import ArgumentParser
from rich.console import Console

from soil_bench.runs.experiment import (
    Experiment,
    Variant,
    add_arguments,
    csv_columns,
    describe,
    metrics_of,
    paired_difference,
    write_record,
)
from soil_bench.runs.results import METRICS


def test_what_was_run_and_its_record(
    root: Path, tmp_path: Path, drawn_runs: Callable[[dict[str, Any]], None]
) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    given = ["--dataset", "tiny", "--root", str(root), "--seeds", "2", "--epochs", "7"]
    arguments = parser.parse_args([*given, "--device", "cpu", "--out", str(tmp_path / "out")])
    experiment = Experiment(arguments, Console(quiet=True))
    (runs,) = experiment.run([Variant("plain", "bpr")])
    record = describe(experiment, runs)
    assert record == {
        "dataset": "tiny",
        "data_digest": experiment.data.digest,
        "seeds": 2,
        "epochs": 7,
        "versions": {"torch": "2", "code": "of the test", "date": "2026-01-01 and 2026-01-02"},
    }
    values = metrics_of(runs)
    assert values == {name: [runs[0]["test"][name], runs[1]["test"][name]] for name in METRICS}
    write_record(experiment, "table", record)
    path = tmp_path / "out" / "records" / "table-tiny.json"
    assert json.loads(path.read_text()) == record


def test_columns() -> None:
    columns = csv_columns({"recall@20": [1.0, 2.0], "ndcg@20": [3.0]}, {"recall@20": 1.5})
    assert list(columns) == [
        *["recall@20", "recall@20 std", "recall@20 published"],
        *["ndcg@20", "ndcg@20 std", "ndcg@20 published"],
    ]
    expected = [1.5, sqrt(0.5), 1.5, 3.0, np.nan, np.nan]
    assert list(columns.values()) == pytest.approx(expected, nan_ok=True)


def test_differences_are_paired_by_seed() -> None:
    # The seeds differ more than the variants do.
    found = paired_difference([0.11, 0.52, 0.93], [0.1, 0.5, 0.9])
    assert found["difference"] == pytest.approx(0.02)
    assert found["standard_error"] == pytest.approx(0.01 / sqrt(3))
    assert paired_difference([0.5], [0.75]) == {"difference": -0.25, "standard_error": None}
