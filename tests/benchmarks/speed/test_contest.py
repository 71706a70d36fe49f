import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from soil_bench.speed.contest import Case, Contest, Contestant, versions_of


@dataclass(frozen=True)
class Spec:
    name: str


class Sum(Case):
    spec_class = Spec

    def recall(self, task: str, answer: float) -> float:
        return 1.0 if answer == float(self.tensors["x"].sum()) else 0.25


CASE = Sum(Spec("a sum"), {"x": torch.tensor([1.0, 2.0])})


class Memory:
    """Memory that is known beforehand."""

    def __init__(self, peaks: dict[str, Any]) -> None:
        self.peaks = peaks
        self.jobs: list[dict[str, Any]] = []

    def measure(self, job: dict[str, Any]) -> dict[str, float]:
        self.jobs.append(job)
        peak = self.peaks.get(job["contestant"], {})
        if isinstance(peak, Exception):
            raise peak
        return peak


def contestant(name: str, answer: float | Exception, **options: Any) -> Contestant:
    def work() -> float:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Contestant(name, "torch", lambda library, case: {"add": work}, **options)


def run(contestants: list[Contestant], **peaks: Any) -> dict[str, dict[str, Any]]:
    memory: Any = Memory(peaks)
    part: Any = SimpleNamespace(__name__="sums")
    guests: Any = None
    results = Contest(memory, guests, "cpu", 4, 1.0, 0).run(part, contestants, CASE)
    assert [job["module"] for job in memory.jobs] == ["sums"] * len(contestants)
    assert all(job["spec"] == {"name": "a sum"} for job in memory.jobs)
    return {result.pop("name"): result for result in results}


def test_right_answers_are_timed_and_compared_with_the_best_exact_one() -> None:
    approximate = contestant("rough", 2.9, is_exact=False)
    results = run([contestant("a", 3.0), contestant("b", 3.0), approximate], a={"add": 7.5})
    tasks = {name: result["tasks"]["add"] for name, result in results.items()}
    assert {result["status"] for result in results.values()} == {"ok"}
    assert [task["rounds"] for task in tasks.values()] == [4, 4, 4]
    assert [task["recall"] for task in tasks.values()] == [1.0, 1.0, 0.25]
    assert [task["peak_memory_mb"] for task in tasks.values()] == [7.5, None, None]
    best = min(tasks["a"]["median_ms"], tasks["b"]["median_ms"])
    for task in tasks.values():
        assert task["ratio"] == pytest.approx(task["median_ms"] / best)
    assert results["a"]["prepare_ms"] >= 0


def test_wrong_and_failing_ones_are_named_and_not_timed() -> None:
    results = run(
        [
            contestant("right", 3.0),
            contestant("wrong", 4.0),
            contestant("broken", RuntimeError("no such thing\nat all")),
            contestant("huge", 3.0),
        ],
        huge=MemoryError("ended by SIGKILL"),
    )
    assert {name: result["status"] for name, result in results.items()} == {
        "right": "ok",
        "wrong": "wrong",
        "broken": "failed",
        "huge": "failed",
    }
    assert results["wrong"]["reason"] == "add: 0.2500 correct"
    assert results["broken"]["reason"] == "RuntimeError: no such thing"
    assert results["huge"]["reason"] == "MemoryError: ended by SIGKILL"
    assert "median_ms" not in results["wrong"]["tasks"]["add"]
    assert results["right"]["tasks"]["add"]["ratio"] == 1.0


def test_nobody_is_right() -> None:
    assert run([contestant("wrong", 4.0)])["wrong"]["status"] == "wrong"


def test_absent_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "contest_breaks.py").write_text("raise OSError('built for another\\ntorch')")
    (tmp_path / "contest_lacks.py").write_text("import contest_missing")
    monkeypatch.syspath_prepend(tmp_path)
    reasons = {
        "contest_missing": "not installed",
        "contest_missing.part": "not installed",
        "contest_breaks": "its import fails: OSError: built for another",
        "contest_lacks": "its import fails: No module named 'contest_missing'",
        "torch": None,
    }
    for package, reason in reasons.items():
        assert Contestant("x", package, lambda *_: {}).why_absent("cpu", tmp_path) == reason
        sys.modules.pop(package, None) if package != "torch" else None
    on_cpu = Contestant("x", "torch", lambda *_: {}, devices=("cpu",))
    assert on_cpu.why_absent("cuda", tmp_path) == "does not run on cuda"
    guest = Contestant("x", "dgl", lambda *_: {}, environment="dgl")
    assert guest.why_absent("cuda", tmp_path) == "does not run on cuda"
    assert guest.why_absent("cpu", tmp_path) == "not installed: repeat with --install"


def test_a_case_comes_back_from_its_file(tmp_path: Path) -> None:
    CASE.save(tmp_path / "case.npz")
    case = Sum.load({"name": "a sum"}, tmp_path / "case.npz")
    assert case.spec == Spec("a sum")
    assert case.tensors["x"].tolist() == [1.0, 2.0]


def test_versions() -> None:
    found = versions_of({"torch", "numpy.linalg", "contest_missing"})
    assert found == {"torch": version("torch"), "numpy": version("numpy")}
