import json
import re
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.runs import jobs, verify
from soil_bench.runs.equivalence import FinishedRuns, read_evidence
from soil_bench.runs.results import read_records, run_key
from soil_bench.runs.verify import find_evidence

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results.jsonl"


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments that repeat the run of BPR; code is "today"."""
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: {"code": "today"})
    evidence = ["--evidence", str(tmp_path / "evidence.json")]
    return ["--models", "bpr", "--out", str(tmp_path / "out"), *evidence]


def repeat(runs: list[jobs.Job], change: float) -> list[jobs.Job]:
    """Instead of training, writes the stored metrics, one of them changed."""
    stored = {run_key(line): line for line in map(json.loads, RESULTS.open())}
    for job in runs:
        wanted = [r for r in stored.values() if r["model"] == job.record["model"]]
        (like,) = [r for r in wanted if (r["dataset"], r["seed"]) == ("synthetic", 0)]
        test = like["test"] | {"recall@20": like["test"]["recall@20"] + change}
        record = like | job.record | {"val": like["valid"], "test": test}
        del record["valid"]
        record["versions"] = job.record["versions"] | {"machine": "A", "date": "2026-01-02"}
        job.results_file.parent.mkdir(parents=True, exist_ok=True)
        job.results_file.write_text(json.dumps(record) + "\n")
    return []


def test_equal_results_join_the_versions(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated: list[Any] = []

    def run_jobs(runs: list[jobs.Job], *_: object) -> list[jobs.Job]:
        repeated.extend(runs)
        return repeat(runs, 0.0)

    monkeypatch.setattr(verify, "run_jobs", run_jobs)
    assert run.main(["verify", *arguments]) == 0
    (job,) = repeated
    assert [job.record[name] for name in ("model", "dataset", "seed")] == ["bpr", "synthetic", 0]
    assert job.finished is None
    evidence = read_evidence(tmp_path / "evidence.json")
    (entry,) = [entry for entry in evidence if "today" in entry.codes]
    record = read_records(RESULTS)[entry.run]
    assert entry.codes == [record["versions"]["code"], "today"]
    assert (entry.metrics, entry.machine, entry.date) == (32, "A", "2026-01-02")
    finished = FinishedRuns(RESULTS, tmp_path / "evidence.json")
    other_seed = next(
        key
        for key, r in finished.records.items()
        if (r["model"], r["dataset"], r["seed"]) == ("bpr", "synthetic", 1)
    )
    planned = finished.records[other_seed] | {"versions": {"code": "today"}}
    assert finished.find(planned) == other_seed

    assert run.main(["verify", *arguments]) == 0
    assert read_evidence(tmp_path / "evidence.json") == evidence


def test_results_that_differ_in_the_last_digit_are_no_evidence(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(verify, "run_jobs", lambda runs, *_: repeat(runs, 1e-16))
    assert run.main(["verify", *arguments]) == 1
    assert "not verified: bpr" in capsys.readouterr().out
    evidence = read_evidence(tmp_path / "evidence.json")
    assert not [entry for entry in evidence if "today" in entry.codes]


def test_stored_runs_are_evidence_for_each_other() -> None:
    records = list(read_records(RESULTS).items())
    found = find_evidence(records)
    # Both were run on baby with the same settings, before and after settings were added.
    assert ["86922b4963eeeacb", "8466fdd2ef627907"] in [entry.codes for entry in found]
    assert all(len(set(entry.codes)) == 2 for entry in found)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--models", "popularity"], "'--models'.*popularity"),
        (["--seed", "99"], "'--models'.*bpr"),
        (["--results", "no_such_file"], "'--results'.*no_such_file"),
    ],
)
def test_errors(
    arguments: list[str], capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    place = arguments.index(more[0]) if more[0] in arguments else len(arguments)
    assert run.main(["verify", *arguments[:place], *arguments[place + 2 :], *more]) == 2
    assert re.search(message, capsys.readouterr().err)
