import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soil_bench.speed import measurement, measurements
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of

WORK = Measurement("m:work", {"size": 3})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls of the function that measures, which fails for a size of 0."""
    made: list[dict[str, Any]] = []

    def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        made.append(arguments)
        if arguments["size"] == 0:
            raise RuntimeError("as told")
        return {"seconds": float(len(made))}

    monkeypatch.setattr(measurement, "call_isolated", measure)
    monkeypatch.setattr(measurements, "versions_and_code", lambda model: {"code": "of the test"})
    return made


def open_file(tmp_path: Path, **options: bool) -> Measurements:
    return Measurements(tmp_path / "out" / "file.jsonl", Console(quiet=True), **options)


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, calls: list[dict[str, Any]]
) -> None:
    file = open_file(tmp_path)
    assert not file.path.exists()
    assert file.measure(WORK, {"turn": 0}) == {"seconds": 1.0}
    (record,) = [json.loads(line) for line in file.path.read_text().splitlines()]
    assert record["identity"].items() >= {"turn": 0, "size": 3, "function": "m:work"}.items()
    assert record["identity"]["code"] == ["of the test"]
    assert record["versions"].keys() == {"code", "machine", "date"}

    again = open_file(tmp_path)
    assert again.measure(WORK, {"turn": 0}) == {"seconds": 1.0}
    assert again.measure(WORK, {"turn": 1}) == {"seconds": 2.0}
    assert again.measure(WORK, {"turn": 0}, ("naive",)) == {"seconds": 3.0}
    assert open_file(tmp_path, rerun=True).measure(WORK, {"turn": 0}) == {"seconds": 4.0}
    assert open_file(tmp_path).measure(WORK, {"turn": 0}) == {"seconds": 4.0}
    assert len(calls) == 4


def test_other_code_is_measured_again(
    tmp_path: Path, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file(tmp_path).measure(WORK, {})
    monkeypatch.setattr(measurements, "versions_and_code", lambda model: {"code": "other"})
    open_file(tmp_path).measure(WORK, {})
    assert len(calls) == 2
    open_file(tmp_path).measure(WORK, {}, ("naive",))
    monkeypatch.setattr(measurements, "versions_and_code", lambda model: {"code": "third"})
    open_file(tmp_path).measure(WORK, {}, ("naive",))
    assert len(calls) == 3


def test_a_measurement_that_fails_leaves_the_others(
    tmp_path: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = open_file(tmp_path)
    assert file.measure(Measurement("m:work", {"size": 0}), {"turn": 0}) is None
    assert file.measure(WORK, {"turn": 0}) == {"seconds": 2.0}
    assert file.end(work) == 1
    assert "failed: work: turn 0, size 0: as told" in capsys.readouterr().err
    assert work.exists()
    assert len(file.path.read_text().splitlines()) == 1

    file = open_file(tmp_path)
    assert file.measure(WORK, {"turn": 0}) == {"seconds": 2.0}
    assert file.end(work) == 0
    assert not work.exists()


@pytest.mark.parametrize("rerun", [False, True])
@pytest.mark.parametrize("line", ["{", "[]", '{"result": {}}', '{"identity": {}, "result": 1}'])
def test_corrupt_lines(tmp_path: Path, calls: list[dict[str, Any]], line: str, rerun: bool) -> None:
    file = open_file(tmp_path)
    file.measure(WORK, {})
    with file.path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ValueError, match=r"file\.jsonl, line 2"):
        open_file(tmp_path, rerun=rerun)


def test_options_of() -> None:
    given = ["--items", "10", "30", "--out=x", "--root", "a b", "--rerun", "--no-naive"]
    assert options_of(given) == "--items 10 30 --no-naive"
    assert options_of([]) == ""


def test_the_last_result_of_an_identity(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    file = open_file(tmp_path)
    assert file.find({"size": 3}) is None
    assert not file.path.parent.exists()
    for seconds in (1.0, 2.0):
        file.add({"size": 3, "turn": 0}, {"seconds": seconds})
    first = json.loads(file.path.read_text().splitlines()[0])
    assert first["identity"] == {"size": 3, "turn": 0}
    assert first["result"] == {"seconds": 1.0}
    again = open_file(tmp_path)
    assert again.find({"turn": 0, "size": 3}) == {"seconds": 2.0}
    assert again.find({"turn": 1, "size": 3}) is None
    assert open_file(tmp_path, rerun=True).find({"turn": 0, "size": 3}) is None
