import io
import json
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from soil_bench.runs import jobs
from soil_bench.runs.arguments import Profile, add_run_arguments
from soil_bench.runs.experiment import (
    Experiment,
    FailedRunsError,
    Variant,
    csv_columns,
    describe,
    extent,
    metrics_of,
    paired_difference,
    write_csv,
    write_record,
)
from soil_bench.runs.results import METRICS
from soil_pyg.models import SOIL

FAST = {"hidden_channels": 4, "batch_size": 64}


@pytest.fixture
def arguments(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: {"code": "of the test"})
    parser = ArgumentParser()
    add_run_arguments(parser)
    given = ["--dataset", "tiny", "--root", str(root), "--seeds", "2", "--epochs", "1"]
    return parser.parse_args([*given, "--device", "cpu", "--out", str(tmp_path / "out")])


def make(arguments: Namespace) -> tuple[Experiment, io.StringIO]:
    text = io.StringIO()
    return Experiment(arguments, Console(file=text, width=200)), text


def test_runs_are_shared_and_not_repeated(arguments: Namespace) -> None:
    variants = [
        Variant("plain", "bpr", options=FAST),
        Variant("the same", "bpr", options=FAST),
        Variant("other", "bpr", options=FAST | {"reg": 0.5}),
    ]
    experiment, text = make(arguments)
    plain, same, other = experiment.run(variants)
    assert [record["seed"] for record in plain] == [0, 1]
    assert plain == same
    assert [record["settings"]["reg"] for record in other] == [0.5, 0.5]
    assert plain[0]["settings"]["epochs"] == 1
    assert text.getvalue().count("[4/4]") == 1
    again, text = make(arguments)
    assert again.run(variants) == [plain, same, other]
    assert text.getvalue().count("finished before, not run again") == 4


def test_metrics_of_every_user_are_kept(arguments: Namespace) -> None:
    experiment, _ = make(arguments)
    variant = Variant("plain", "bpr", options=FAST)
    records = experiment.run([variant])[0]
    for job, record in zip(experiment.jobs(variant), records, strict=True):
        with np.load(job.users_file) as values:
            assert set(values) == {"recall@20", "ndcg@20"}
            for name, value in values.items():
                assert value.shape == (30,)
                assert value.mean() == pytest.approx(record["test"][name], abs=1e-6)


def test_several_at_a_time(arguments: Namespace) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (the extra 'cluster')")
    arguments.workers = 2
    experiment, text = make(arguments)
    records = experiment.run([Variant("plain", "bpr", options=FAST)])[0]
    assert len(records) == 2
    assert "2 at a time" in text.getvalue()
    assert text.getvalue().count(": done") == 2
    assert len(list((experiment.out / "logs").iterdir())) == 2


def test_more_items_than_users_have_the_aggregation_of_the_command(
    arguments: Namespace, wide: list[str]
) -> None:
    """The rule is that of :obj:`soil-pyg train`, and a figure's usual settings follow it."""
    arguments.dataset = "wide"
    experiment, _ = make(arguments)
    settings = {profile: Variant(profile, "soil", profile) for profile in SOIL.profiles}
    found = {name: experiment.settings(variant) for name, variant in settings.items()}
    assert {name: values["aggregation"] for name, values in found.items()} == {
        "paper": "sum",
        "released": "sym",
        "best": "sym",
    }
    for variant in settings.values():
        assert experiment.jobs(variant)[0].record["settings"] == found[variant.profile] | {
            "device": "cpu"
        }
    asked = Variant("asked", "soil", "paper", {"aggregation": "sym_user_index"})
    with pytest.raises(ValueError, match=r"'aggregation'.*\(got 'sym_user_index' for 15 users"):
        experiment.jobs(asked)


def test_an_option_that_cannot_be_right_is_refused_before_any_run(arguments: Namespace) -> None:
    experiment, _ = make(arguments)
    variants = [Variant("a", "bpr", options=FAST), Variant("b", "soil", options={"k": 0})]
    with pytest.raises(ValueError, match="model 'soil': 'k' must be at least 1"):
        experiment.run(variants)
    assert not experiment.out.exists()


def test_a_run_that_fails_is_named(arguments: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MODULE", "no_such_module")
    experiment, _ = make(arguments)
    with pytest.raises(FailedRunsError, match=r"failed: bpr-tiny-seed0-.*, bpr-tiny-seed1-"):
        experiment.run([Variant("plain", "bpr", options=FAST)])


def test_csv_files_are_renamed_into_place(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "table.csv"
    write_csv(pd.DataFrame({"name": ["a"], "value": [1 / 3]}), path)
    assert path.read_text() == "name,value\na,0.333333\n"
    assert list(path.parent.iterdir()) == [path]


def test_profiles_are_those_of_soil() -> None:
    assert list(get_args(Profile)) == list(SOIL.profiles)


def test_what_was_run_and_its_record(
    root: Path, tmp_path: Path, drawn_runs: Callable[[dict[str, Any]], None]
) -> None:
    parser = ArgumentParser()
    add_run_arguments(parser)
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
    assert extent(record) == "tiny, 2 seeds, at most 7 epochs per run"
    assert extent(record | {"seeds": 1, "epochs": None}) == "tiny, one seed"
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
