import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soil_bench.speed import isolated, store
from soil_bench.speed.isolated import Task
from soil_bench.speed.store import Measurements, options_of, read_measurements
from soil_pyg.utils.files import write_json

TASK = Task("m:work", {"size": 3})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls of the function that measures, which fails for a size of 0."""
    made: list[dict[str, Any]] = []

    def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        made.append(arguments)
        if arguments["size"] == 0:
            raise RuntimeError("as told")
        return {"seconds": float(len(made))}

    monkeypatch.setattr(isolated, "measure", measure)
    monkeypatch.setattr(store, "versions_and_code", lambda model: {"code": "of the test"})
    return made


def open_file(tmp_path: Path, **options: bool) -> Measurements:
    return Measurements(tmp_path / "out" / "file.jsonl", Console(quiet=True), **options)


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, calls: list[dict[str, Any]]
) -> None:
    file = open_file(tmp_path)
    assert not file.path.exists()
    assert file.get(TASK, {"turn": 0}) == {"seconds": 1.0}
    (record,) = [json.loads(line) for line in file.path.read_text().splitlines()]
    assert record["identity"].items() >= {"turn": 0, "size": 3, "function": "m:work"}.items()
    assert record["identity"]["code"] == ["of the test"]
    assert record["versions"].keys() == {"code", "machine", "date"}

    again = open_file(tmp_path)
    assert again.get(TASK, {"turn": 0}) == {"seconds": 1.0}
    assert again.get(TASK, {"turn": 1}) == {"seconds": 2.0}
    assert again.get(TASK, {"turn": 0}, ("naive",)) == {"seconds": 3.0}
    assert open_file(tmp_path, rerun=True).get(TASK, {"turn": 0}) == {"seconds": 4.0}
    assert open_file(tmp_path).get(TASK, {"turn": 0}) == {"seconds": 4.0}
    assert len(calls) == 4


def test_other_code_is_measured_again(
    tmp_path: Path, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file(tmp_path).get(TASK, {})
    monkeypatch.setattr(store, "versions_and_code", lambda model: {"code": "other"})
    open_file(tmp_path).get(TASK, {})
    assert len(calls) == 2
    open_file(tmp_path).get(TASK, {}, ("naive",))
    monkeypatch.setattr(store, "versions_and_code", lambda model: {"code": "third"})
    open_file(tmp_path).get(TASK, {}, ("naive",))
    assert len(calls) == 3


def test_a_measurement_that_fails_leaves_the_others(
    tmp_path: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = open_file(tmp_path)
    assert file.get(Task("m:work", {"size": 0}), {"turn": 0}) is None
    assert file.get(TASK, {"turn": 0}) == {"seconds": 2.0}
    assert file.end(work) == 1
    assert "failed: work: turn 0, size 0: as told" in capsys.readouterr().err
    assert work.exists()
    assert len(read_measurements(file.path)) == 1

    file = open_file(tmp_path)
    assert file.get(TASK, {"turn": 0}) == {"seconds": 2.0}
    assert file.end(work) == 0
    assert not work.exists()


@pytest.mark.parametrize("line", ["{", "[]", '{"result": {}}', '{"identity": {}, "result": 1}'])
def test_corrupt_lines(tmp_path: Path, calls: list[dict[str, Any]], line: str) -> None:
    file = open_file(tmp_path)
    file.get(TASK, {})
    with file.path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ValueError, match=r"file.jsonl, line 2: not a measurement .*; remove"):
        open_file(tmp_path)


def test_options_of() -> None:
    given = ["--items", "10", "30", "--out=x", "--root", "a b", "--rerun", "--no-naive"]
    assert options_of(given) == "--items 10 30 --no-naive"
    assert options_of([]) == ""


def test_write_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    assert json.loads(path.read_text()) == {"a": 1}
