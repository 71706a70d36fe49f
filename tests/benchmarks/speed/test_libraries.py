import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import run
from soil_bench.runs.environments import ENVIRONMENTS, Environment
from soil_bench.speed import libraries, neighbours, propagation
from soil_bench.speed.contest import Contestant
from soil_bench.speed.products import Direction, each_direction, gather_scatter
from soil_bench.speed.propagation import torch_coo

Refuses = Callable[[list[str], str], None]
Start = Callable[[list[str]], subprocess.Popen]

PNG = b"\x89PNG\r\n\x1a\n"


def main(argv: list[str]) -> int:
    return run.main(["libraries", *argv])


class NoMemory:
    def __enter__(self) -> "NoMemory":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def measure(self, job: dict[str, Any]) -> dict[str, float]:
        return {}


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "PeakMemory", NoMemory)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    where = ["--out", str(tmp_path / "out"), "--environments", str(tmp_path / "environments")]
    return ["--quick", "--rounds", "3", "--device", "cpu", *where]


def read(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "out" / "libraries.json").read_text())


def test_the_record_the_table_and_the_picture(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    absent = Contestant("Missing", "libraries_missing", torch_coo)
    monkeypatch.setattr(propagation, "CONTESTANTS", [*propagation.CONTESTANTS, absent])
    assert main(arguments) == 0
    record = read(tmp_path)
    assert [(case["part"], case["name"]) for case in record["cases"]] == [
        ("propagation", "user <- item, one edge"),
        ("propagation", "user-item, tiny"),
        ("propagation", "user <- item, tiny"),
        ("propagation", "item-item, tiny"),
        ("neighbours", "tiny, 300 items, 16 channels"),
    ]
    reasons = {absent["name"]: absent["reason"] for absent in record["absent"]}
    assert reasons["Missing"] == "not installed"
    assert reasons["torch-scatter"] == "not installed: repeat with --install"
    assert (record["device"], record["rounds"], record["seed"]) == ("cpu", 3, 0)
    assert {"soil_pyg", "torch", "torch_geometric", "machine", "date"} <= set(record["versions"])
    for case in record["cases"]:
        part = {"propagation": propagation, "neighbours": neighbours}[case["part"]]
        missing = {a["name"] for a in record["absent"] if a["part"] == case["part"]}
        names = [result["name"] for result in case["results"]]
        assert names == [c.name for c in part.CONTESTANTS if c.name not in missing]
        tasks = {"neighbours": ["search"], "propagation": ["forward", "forward+backward"]}
        for result in case["results"]:
            assert result["status"] == "ok"
            assert list(result["tasks"]) == tasks[case["part"]]
            for task in result["tasks"].values():
                assert task["rounds"] == 3
                assert 0 < task["q1_ms"] <= task["median_ms"] <= task["q3_ms"]
        for task in tasks[case["part"]]:
            exact = [r["tasks"][task]["ratio"] for r in case["results"] if r["exact"]]
            assert min(exact) == 1.0

    output = capsys.readouterr().out
    texts = ["Propagation", "Neighbours", "soil_pyg", "recall@10", "Tiny inputs"]
    for text in [*texts, "absent: Missing: not installed"]:
        assert text in output
    picture = (tmp_path / "out" / "libraries.png").read_bytes()
    assert picture.startswith(PNG)
    assert len(picture) > 20_000
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["libraries.json", "libraries.jsonl", "libraries.png"]


def test_a_wrong_answer_is_reported(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @each_direction
    def without_weights(_: Any, direction: Direction) -> Any:
        index, size = direction.edge_index.flip([0]), direction.size[::-1]
        matrix = torch.sparse_coo_tensor(index, torch.ones(index.size(1)), size)
        return lambda x: matrix @ x

    wrong = Contestant("Wrong", "torch", without_weights)
    monkeypatch.setattr(propagation, "CONTESTANTS", [*propagation.CONTESTANTS, wrong])
    assert main([*arguments, "--only", "propagation"]) == 1
    output = capsys.readouterr()
    assert "wrong: Wrong: forward" in output.err
    assert "wrong: Wrong, user <- item, one edge: forward" in output.out
    results = read(tmp_path)["cases"][0]["results"]
    assert {r["name"]: r["status"] for r in results if r["status"] != "ok"} == {"Wrong": "wrong"}
    assert (tmp_path / "out" / "libraries.png").read_bytes().startswith(PNG)


def test_no_picture_without_matplotlib(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*arguments, "--only", "neighbours"]) == 0
    assert "no picture: " in capsys.readouterr().err
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["libraries.json", "libraries.jsonl"]
    assert [case["part"] for case in read(tmp_path)["cases"]] == ["neighbours"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="refused where there is no GPU")
def test_no_gpu(out: Path, refuses: Refuses) -> None:
    refuses(["libraries", "--out", str(out), "--device", "cuda"], "'--device'")


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert main(["--quick", "--out", str(tmp_path / "out")]) == 2
    assert str(tmp_path / "out") in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_goes_on_where_it_was_interrupted(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "draw", interrupt)
        assert main(arguments) == 130
    assert "the same command resumes where this one stopped" in capsys.readouterr().err
    assert not (tmp_path / "out" / "libraries.json").exists()

    assert main(arguments) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.endswith("not measured again") for line in told] == [True] * 4 + [False]
    first = read(tmp_path)
    assert len(first["cases"]) == 5

    assert main(arguments) == 0
    assert read(tmp_path) == first
    assert capsys.readouterr().err.count("not measured again") == 5
    for other in (["--rerun"], ["--seed", "1"]):
        assert main([*arguments, "--only", "propagation", *other]) == 0
        assert "measured before" not in capsys.readouterr().err


def test_a_case_is_measured_again_where_a_library_failed_or_came(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(library: Any, case: Any) -> Any:
        raise RuntimeError("too large")

    arguments = [*arguments, "--only", "neighbours"]
    known = neighbours.CONTESTANTS
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "CONTESTANTS", [*known, Contestant("x", "torch", fail)])
        for _ in range(2):
            assert main(arguments) == 1
            captured = capsys.readouterr().err
            assert "failed: x: RuntimeError: too large" in captured
            assert "measured before" not in captured
    assert not (tmp_path / "out" / "libraries.jsonl").exists()
    assert main(arguments) == 0
    with monkeypatch.context() as patch:
        present = [c for c in known if c.why_absent("cpu", tmp_path) is None]
        patch.setattr(neighbours, "CONTESTANTS", present[:-1])
        assert main(arguments) == 0
        assert "measured before" not in capsys.readouterr().err


def test_a_file_of_measurements_that_is_not_one(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "libraries.jsonl").write_text("mine\n")
    assert main(arguments) == 2
    assert "libraries.jsonl, line 1: not a measurement" in capsys.readouterr().err
    assert (tmp_path / "out" / "libraries.jsonl").read_text() == "mine\n"


def test_a_library_in_an_environment_of_its_own(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(ENVIRONMENTS, "toy", Environment("toy", ("toy",), is_isolated=True))
    folder = tmp_path / "environments" / "toy"
    (folder / "bin").mkdir(parents=True)
    (folder / "receipt.json").write_text(json.dumps({"requirements": ["toy"], "error": None}))
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "bin" / "python").chmod(0o755)
    guest = Contestant("guest", "torch", gather_scatter, environment="toy")
    broken = Contestant("broken", "no_such_package", gather_scatter, environment="toy")
    monkeypatch.setattr(propagation, "CONTESTANTS", [propagation.CONTESTANTS[0], guest, broken])
    assert main([*arguments, "--only", "propagation"]) == 1
    for case in read(tmp_path)["cases"]:
        own, found, failed = case["results"]
        assert found["status"] == "ok"
        assert set(found["versions"]) >= {"torch"}
        assert list(found["tasks"]) == list(own["tasks"])
        for task in found["tasks"].values():
            assert task["recall"] == 1.0
            assert task["rounds"] == 3
            assert 0 <= task["peak_memory_mb"] < 100
        assert failed["reason"].startswith("GuestError: ")
    assert f"guest (torch {torch.__version__})" in capsys.readouterr().out


def test_libraries_are_installed_first(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(libraries, "install", lambda names, *_: asked.extend(names))
    assert main([*arguments, "--only", "neighbours"]) == 0
    assert main([*arguments, "--only", "neighbours", "--install"]) == 0
    assert asked == []
    main([*arguments, "--only", "propagation", "--install"])
    assert asked == ["scatter", "dgl"]


@pytest.mark.slow
def test_as_a_program(
    arguments: list[str], tmp_path: Path, start: Callable[[list[str]], subprocess.Popen]
) -> None:
    process = start(["libraries", *arguments, "--only", "neighbours"])
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "scikit-learn" in output
    assert errors == "[1/1] neighbours: tiny, 300 items, 16 channels\n"
    (case,) = read(tmp_path)["cases"]
    if hasattr(os, "fork"):
        for result in case["results"]:
            assert 0 <= result["tasks"]["search"]["peak_memory_mb"] < 100
