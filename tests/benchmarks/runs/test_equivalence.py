import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from soil_bench.runs import jobs
from soil_bench.runs.equivalence import (
    EVIDENCE,
    Evidence,
    FinishedRuns,
    SameResults,
    read_evidence,
    write_evidence,
)
from soil_bench.runs.jobs import Plan, make_jobs
from soil_bench.runs.results import read_records
from soil_bench.runs.run_job import load_data
from soil_pyg.runs.compatibility import ADDED_SETTINGS
from soil_pyg.workflow.options import ModelOptions

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results.jsonl"


def evidence(model: str, *codes: str) -> Evidence:
    return Evidence(model, "key", list(codes), 32, "A, 1 threads", "2026-01-02")


@cache
def options_of(model: str) -> set[str]:
    return set(ModelOptions(model).options)


def planned(record: dict[str, Any], code: str) -> dict[str, Any]:
    """Returns the record of a run under today's names and with all options of its model."""
    options = options_of(record["model"])
    added = {name: value for name, value in ADDED_SETTINGS.items() if name in options}
    return record | {"settings": added | record["settings"], "versions": {"code": code}}


def test_keys_of_finished_runs_are_those_they_were_written_with() -> None:
    keys = Path(__file__).with_name("keys.txt").read_text().split()
    assert len(keys) == 121
    assert list(read_records(RESULTS))[:121] == keys


def test_classes_join_transitively_within_a_model() -> None:
    found = [evidence("bpr", "a", "b"), evidence("bpr", "c", "d"), evidence("bpr", "d", "a")]
    same = SameResults([*found, evidence("soil", "a", "e"), evidence("bpr", "b", "d")])
    assert len({same.of("bpr", code) for code in "abcd"}) == 1
    assert same.of("bpr", "e") == "e"
    assert same.of("soil", "e") == same.of("soil", "a") != same.of("soil", "b")


def test_evidence_comes_back(tmp_path: Path) -> None:
    found = [evidence("bpr", "a", "b")]
    write_evidence(found, tmp_path / "evidence.json")
    assert read_evidence(tmp_path / "evidence.json") == found
    assert read_evidence(tmp_path / "none.json") == []


def test_evidence_of_the_repository_names_finished_runs() -> None:
    records = read_records(RESULTS)
    found = read_evidence()
    assert EVIDENCE.name == "same-results.json"
    assert {entry.model for entry in found} >= {"bpr", "lightgcn", "soil"}
    for entry in found:
        assert entry.metrics == 32
        assert len(set(entry.codes)) == 2
        if entry.run in records:
            assert records[entry.run]["model"] == entry.model
            assert records[entry.run]["versions"]["code"] in entry.codes


def test_a_run_planned_today_is_found_finished_if_its_code_gives_the_same_results() -> None:
    finished, same = FinishedRuns(RESULTS), SameResults(read_evidence())
    for entry in read_evidence():
        if entry.run not in finished.records:
            continue
        record = finished.records[entry.run]
        for code in entry.codes:
            key = finished.find(planned(record, code))
            assert key is not None
            assert finished.records[key]["test"] == record["test"]
        assert finished.find(planned(record, "other")) is None
        assert len({same.of(entry.model, code) for code in entry.codes}) == 1


def test_every_finished_run_is_found_under_the_names_and_options_of_today() -> None:
    finished = FinishedRuns(RESULTS)
    for record in finished.records.values():
        key = finished.find(planned(record, record["versions"]["code"]))
        assert key is not None
        assert finished.records[key]["seed"] == record["seed"]


@pytest.mark.parametrize(
    ("name", "value"), [("num_partitions", 2), ("lr", 0.5), ("device", "cuda"), ("compile", True)]
)
def test_other_settings_are_not_finished(name: str, value: object) -> None:
    finished = FinishedRuns(RESULTS)
    key, record = next((k, r) for k, r in finished.records.items() if r["model"] == "bpr")
    other = planned(record, record["versions"]["code"])
    assert finished.find(other) == key
    assert finished.find(other | {"settings": other["settings"] | {name: value}}) is None


def test_a_job_takes_the_key_and_the_files_of_the_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key, record), *_ = (
        (key, run)
        for key, run in read_records(RESULTS).items()
        if (run["model"], run["dataset"], run["seed"]) == ("bpr", "synthetic", 0)
    )
    latest = next(e.codes[1] for e in read_evidence() if e.run == key)
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: {"code": latest})
    (tmp_path / "results.jsonl").write_text(RESULTS.read_text())
    selected, data = ModelOptions("bpr"), load_data("synthetic", "")
    settings = planned(record, latest)["settings"]
    plan = Plan("synthetic", "", str(tmp_path))
    (job,) = make_jobs(plan, data, selected, None, settings, 1)
    assert (job.key, job.folder.name, job.users_file.stem) == (key, key, key)
    again = Plan("synthetic", "", str(tmp_path), rerun=True)
    assert make_jobs(again, data, selected, None, settings, 1)[0].key != key
    assert json.loads(job.dumps())["finished"] == key
