"""Runs of a model of one's own: the user names the module, the run does not."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import soil_pyg
from soil_pyg.cli import main

SOURCE = """
from pathlib import Path
from soil_pyg.models import BPR

Path("imported").touch()

class Mine(BPR):
    pass
"""
NAME = "cli_module_of_mine"
COMMANDS = {
    "evaluate": [],
    "recommend": ["--users", "0"],
    "similar": ["--items", "item 0"],
    "explain": ["--user", "0", "--item", "item 0"],
    "report": ["--out", "page.html"],
    "export": ["--to", "npy", "--out", "emb"],
}


@pytest.fixture
def run(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run of a model in a module that is no longer imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / f"{NAME}.py").write_text(SOURCE)
    options = {"epochs": 1, "hidden_channels": 4, "progress": False, "device": "cpu"}
    soil_pyg.train(data_folder, tmp_path / "run", f"{NAME}:Mine", **options)
    sys.modules.pop(NAME)
    (tmp_path / "imported").unlink()
    yield tmp_path / "run"
    sys.modules.pop(NAME, None)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_does_not_choose_what_is_imported(
    command: str, run: Path, refused: Callable[..., str]
) -> None:
    message = refused(command, run, *COMMANDS[command])
    assert f"--model-module {NAME}" in message
    assert not Path("imported").exists()
    assert main([command, str(run), *COMMANDS[command], "--model-module", NAME]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_module_that_fails(command: str, run: Path, refused: Callable[..., str]) -> None:
    Path("cli_module_fails.py").write_text("import sys; sys.exit(0)")
    module = ["--model-module", "cli_module_fails"]
    message = refused(command, run, *COMMANDS[command], *module)
    assert "--model-module" in message
    assert "SystemExit" in message


def test_runs_are_compared_without_an_import(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(run), "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)[0]["model"] == f"{NAME}:Mine"
    assert not Path("imported").exists()


def test_the_class_is_named_in_python(run: Path) -> None:
    with pytest.raises(ValueError, match=rf"'{NAME}:Mine'.*'model'"):
        soil_pyg.load(run)
    loaded = soil_pyg.load(run, f"{NAME}:Mine").model
    assert type(loaded).__name__ == "Mine"
    assert type(soil_pyg.load(run, type(loaded)).model) is type(loaded)
    # The program has imported it.
    assert type(soil_pyg.load(run).model) is type(loaded)
