import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import run
from soil_bench.runs.results import read_records
from soil_bench.studies.fidelity import ALL, EQUATIONS, differing, main
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import SOILGraphs

Draw = Callable[[dict[str, Any]], None]
Refuses = Callable[[list[str], str], None]
RecordOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def arguments(tiny: list[str]) -> list[str]:
    return [*tiny, "--seeds", "3"]


def test_every_differing_option_has_an_equation() -> None:
    assert list(EQUATIONS) == differing()
    for option, numbers in EQUATIONS.items():
        assert SOIL.profiles["paper"][option] != SOIL.profiles["released"][option]
        assert re.fullmatch(r"\d+(-\d+)?(, \d+(-\d+)?)*", numbers)
        assert all(1 <= int(number) <= 19 for number in re.findall(r"\d+", numbers))
    assert set(SOIL.profiles["paper"]) == set(SOIL.profiles["released"])


def test_one_option_at_a_time_both_ways(
    arguments: list[str], drawn_runs: Draw, out: Path, record_of: RecordOf
) -> None:
    assert main(arguments) == 0
    record = record_of("fidelity")
    runs = read_records(out / "results.jsonl").values()
    assert len(runs) == 3 * 2 * (1 + len(EQUATIONS))

    def metric(start: str, name: str, options: dict[str, Any]) -> np.ndarray:
        """A test metric of the runs that differ from a profile in these options alone, by seed."""
        expected = SOIL.profiles[start] | options
        found = {
            run["seed"]: run["test"][name]
            for run in runs
            if run["profile"] == start and expected.items() <= run["settings"].items()
        }
        return np.array([found[seed] for seed in range(3)])

    other = {"paper": "released", "released": "paper"}
    table = pd.read_csv(out / "paper" / "fidelity-tiny.csv")
    places = [(start, option) for start in ("released", "paper") for option in [*differing(), ALL]]
    assert list(zip(table["start"], table["option"], strict=True)) == places
    for (start, option), row, (_, line) in zip(
        places, record["rows"], table.iterrows(), strict=True
    ):
        assert (row["start"], row["option"], row["reason"]) == (start, option, None)
        for name in ("recall@20", "ndcg@20"):
            before = metric(start, name, {})
            assert record["starts"][start][name] == before.tolist()
            if option == ALL:
                after = metric(other[start], name, {})
            else:
                value = SOIL.profiles[other[start]][option]
                assert (row["from"], row["to"]) == (SOIL.profiles[start][option], value)
                after = metric(start, name, {option: value})
            difference = after - before
            error = difference.std(ddof=1) / np.sqrt(3)
            found = row["differences"][name]
            assert found["difference"] == pytest.approx(difference.mean())
            assert found["standard_error"] == pytest.approx(error)
            assert line[f"{name} difference"] == pytest.approx(difference.mean(), rel=1e-4)
            assert line[f"{name} standard error"] == pytest.approx(error, rel=1e-4)


def test_options_that_cannot_stand_alone_keep_the_table(
    arguments: list[str], drawn_runs: Draw, monkeypatch: pytest.MonkeyPatch, record_of: RecordOf
) -> None:
    graph_transform = SOIL.graph_transform.__func__

    def refusing(cls: type[SOIL], profile: str = "paper", **options: Any) -> SOILGraphs:
        if options["aggr"] == "max" and options["weight_by_users"]:
            raise ValueError("aggr='max' needs weight_by_users=False")
        return graph_transform(cls, profile, **options)

    monkeypatch.setattr(SOIL, "graph_transform", classmethod(refusing))
    assert main(arguments) == 0
    reasons = {
        (row["start"], row["option"]): row["reason"]
        for row in record_of("fidelity")["rows"]
        if row["reason"] is not None
    }
    assert reasons == {
        ("released", "aggr"): "model 'soil': aggr='max' needs weight_by_users=False",
        ("paper", "weight_by_users"): "model 'soil': aggr='max' needs weight_by_users=False",
    }


def test_runs_that_fail_are_named_and_the_table_is_written(
    arguments: list[str], drawn_runs: Draw, capsys: pytest.CaptureFixture[str], record_of: RecordOf
) -> None:
    drawn_runs({"contrast": "aligned_pairs", "bpr_reduction": "mean"})
    assert run.main(["fidelity", *arguments]) == 1
    record = record_of("fidelity")
    failed = [(row["start"], row["option"]) for row in record["rows"] if row["reason"]]
    assert failed == [("released", "contrast"), ("paper", "bpr_reduction")]
    assert len(record["failed"]) == 6
    assert "contrast: a run failed" in capsys.readouterr().out
    # Next time they do not fail, and the others are not run again.
    drawn_runs({"contrast": "none"})
    assert run.main(["fidelity", *arguments]) == 0
    assert not any(row["reason"] for row in record_of("fidelity")["rows"])


def test_a_start_that_fails_leaves_the_other_direction(
    arguments: list[str], drawn_runs: Draw, record_of: RecordOf
) -> None:
    drawn_runs(SOIL.profiles["released"])
    assert main(arguments) == 1
    record = record_of("fidelity")
    for row in record["rows"]:
        is_measured = row["start"] == "paper" and row["option"] != ALL
        assert (row["reason"] is None) == is_measured
        assert bool(row["differences"]) == is_measured
    assert record["starts"]["released"] == {"recall@20": [], "ndcg@20": []}


def test_features_are_needed(arguments: list[str], root: Path, refuses: Refuses) -> None:
    for path in (root / "tiny").glob("*_feat.npy"):
        path.unlink()
    refuses(["fidelity", *arguments], "'in_channels' must name at least one modality")
