import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.systems import command
from soil_bench.systems.contestants import System
from soil_pyg.datasets import SyntheticMultimodal

Refuses = Callable[[list[str], str], None]


@pytest.fixture
def arguments(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(command, "load_data", lambda name, root: SyntheticMultimodal(40, 30)[0])
    monkeypatch.setattr(
        command.Measurements, "__init__", _fixed_versions(command.Measurements.__init__)
    )
    where = ["--out", str(tmp_path / "out"), "--environments", str(environments)]
    return ["systems", *where, "--epochs", "2"]


def _fixed_versions(init: Any) -> Any:
    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.versions = {"code": "of the test", "torch": "2", "machine": "A", "date": "today"}

    return make


def test_the_record_and_the_tables(
    arguments: list[str],
    two_systems: list[System],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main(arguments) == 0
    printed = capsys.readouterr()
    for text in ("BPR on synthetic", "LightGCN on synthetic", "fake", "does nothing"):
        assert text in printed.out
    assert "absent: absent: cannot be installed: no wheel" in printed.out
    assert printed.err.splitlines() == [
        "bpr: soil_pyg and fake",
        "lightgcn: soil_pyg and fake",
    ]
    record = json.loads((tmp_path / "out" / "systems-synthetic.json").read_text())
    assert record["options"] == "--epochs 2"
    assert [race["model"] for race in record["races"]] == ["bpr", "lightgcn"]
    assert record["absent"] == [
        {"model": "bpr", "name": "absent", "reason": "cannot be installed: no wheel"}
    ]
    assert record["settings"]["num_users"] == 40

    assert run.main(arguments) == 0
    assert capsys.readouterr().err.count("not measured again") == 2
    assert json.loads((tmp_path / "out" / "systems-synthetic.json").read_text()) == record
    assert run.main([*arguments, "--models", "bpr", "--rerun"]) == 0
    assert "not measured again" not in capsys.readouterr().err


def test_ours_alone(arguments: list[str], two_systems: list[System], tmp_path: Path) -> None:
    assert run.main([*arguments, "--models", "bpr", "--systems", "soil_pyg"]) == 0
    record = json.loads((tmp_path / "out" / "systems-synthetic.json").read_text())
    assert [list(race["results"]) for race in record["races"]] == [["soil_pyg"]]


@pytest.mark.slow
def test_a_failed_race_is_told_and_run_again(
    arguments: list[str],
    two_systems: list[System],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "LR", 2.0)
    arguments = [*arguments, "--models", "bpr"]
    for _ in range(2):
        assert run.main(arguments) == 1
        printed = capsys.readouterr()
        assert "failed: fake, bpr: RuntimeError: diverged" in printed.err
        assert "not measured again" not in printed.err


def test_wrong_names(arguments: list[str], two_systems: list[System], out: Path) -> None:
    for flag in ("--models", "--systems"):
        with pytest.raises(ValueError, match=flag):
            command.main([*arguments[1:], flag, "nothing"])


def test_missing_environments_are_installed_first(
    arguments: list[str], two_systems: list[System], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(command, "install", lambda names, *_: asked.extend(names))
    arguments = [*arguments, "--models", "bpr", "--install"]
    assert run.main([*arguments, "--systems", "soil_pyg"]) == 0
    assert asked == []
    assert run.main([*arguments, "--systems", "absent,soil_pyg"]) == 0
    assert asked == ["broken"]
