from pathlib import Path
from typing import Any

import pytest
from torch_geometric.data import HeteroData

from soil_bench.systems import race as module
from soil_bench.systems.contestants import System
from soil_bench.systems.race import Race
from soil_pyg.typing import INTERACTS


def run(problem: Any, data: HeteroData, tmp_path: Path, systems: list[System]) -> Any:
    seen: list[str] = []
    race = Race(problem, data, tmp_path / "race", tmp_path / "environments", 60.0, seen.append)
    return race.run(systems), seen


def test_a_race(
    two_systems: list[System], make_problem: Any, data: HeteroData, tmp_path: Path
) -> None:
    results, seen = run(make_problem(), data, tmp_path, two_systems[:2])
    assert [result["status"] for result in results.values()] == ["ok", "ok"]
    assert {text.partition(":")[0] for text in seen} == {"soil_pyg", "fake"}
    for result in results.values():
        assert list(result["seconds"]) == ["train", "evaluate"]
        for task in result["seconds"].values():
            for clock, seconds in task["all"].items():
                assert len(seconds) == 2
                assert 0 <= min(seconds) <= task[clock] <= max(seconds)
        assert "turns" not in result
    ours, fake = results["soil_pyg"], results["fake"]
    assert ours["own_recall"] == pytest.approx(ours["metrics"]["recall@20"])
    assert set(fake["versions"]) == {"numpy"}
    assert fake["own_recall"] == 0.5
    # Of the first 8 users, each has the item of the same number first, all others tie.
    train = set(map(tuple, data[INTERACTS].edge_index.t().tolist()))
    hits: dict[int, list[bool]] = {}
    for user, item in data[INTERACTS].val_edge_label_index.t().tolist():
        scores = [float(user == i < 8) for i in range(30)]
        ranked = sorted(
            (i for i in range(30) if (user, i) not in train), key=lambda i: (-scores[i], i)
        )
        hits.setdefault(user, []).append(item in ranked[:20])
    recall = sum(sum(found) / len(found) for found in hits.values()) / len(hits)
    assert fake["metrics"]["recall@20"] == pytest.approx(recall)


def test_one_that_fails_does_not_stop_the_other(
    fake: System, make_problem: Any, data: HeteroData, tmp_path: Path
) -> None:
    right = System("right", "fake_system", ("bpr",), "toy")
    missing = System("missing", "no_such_system", ("bpr",), "toy")
    results, _ = run(make_problem(), data, tmp_path, [right, missing])
    assert results["right"]["status"] == "ok"
    assert results["missing"] == {
        "status": "failed",
        "note": "",
        "reason": "ModuleNotFoundError: No module named 'no_such_system'",
    }
    results, _ = run(make_problem(lr=2.0), data, tmp_path, [fake])
    assert results["fake"]["reason"] == "RuntimeError: diverged"


def test_one_that_is_too_slow(
    fake: System,
    make_problem: Any,
    data: HeteroData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SETUP_SECONDS", 0.01)
    results, _ = run(make_problem(), data, tmp_path, [fake])
    assert results["fake"]["status"] == "failed"
    assert results["fake"]["reason"] == "no answer within 0.01 s"
