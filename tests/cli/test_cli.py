import configparser
import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from soil_pyg.cli import COMMANDS, main, run_command, subcommand


class Command:
    """A command that raises the given error."""

    EXAMPLES = "example:\n  soil-pyg train DATA"

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.arguments: Any = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("data", help="the data folder")
        parser.add_argument("--num-layers", type=int, default=2, help="layers")
        parser.add_argument("--note", help="a note")

    def run(self, arguments: Any) -> None:
        self.arguments = arguments
        if self.error is not None:
            raise self.error


def run(monkeypatch: pytest.MonkeyPatch, *argv: str, error: BaseException | None = None) -> int:
    command = Command(error)
    modules = {"soil_pyg.cli.train": command}
    original = subcommand.import_module
    monkeypatch.setattr(
        subcommand, "import_module", lambda name: modules.get(name) or original(name)
    )
    return main(["train", *argv])


def test_without_a_command_all_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    assert main(["--version"]) == 0
    output = capsys.readouterr().out
    assert all(f"\n  {name} " in output for name in COMMANDS)
    assert "soil-pyg 0." in output


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("soil-pyg: ")
    assert "'trian'" in captured.err
    assert "'train'" in captured.err
    assert captured.err.count("\n") == 1


def test_help_has_the_example_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    output = capsys.readouterr().out
    assert "usage: soil-pyg train [--num-layers NUM_LAYERS] [--note NOTE]" in output
    assert "example:\n  soil-pyg train DATA\n" in output
    assert "layers (type: integer, default: 2)" in output
    assert "a note\n" in output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("a.csv, line 3: no\n number"), 2, "a.csv, line 3: no number\n"),
        (FileNotFoundError("no file a.csv"), 2, "no file a.csv\n"),
        (OSError(errno.ENOSPC, "other", "/a"), 2, f"'/a': {os.strerror(errno.ENOSPC)}; "),
        (PermissionError(errno.EACCES, "other", "/a"), 2, f"'/a': {os.strerror(errno.EACCES)}; "),
        (OSError(errno.EIO, "other"), 2, f"{os.strerror(errno.EIO)}\n"),
        (ImportError("'timm' is missing"), 1, "'timm' is missing\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_every_error_is_one_line_and_a_code(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "DATA", error=error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"soil-pyg train: {message}")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], ["DATA", "soil-pyg train --help"]),
        (
            ["a", "--num-layers", "x"],
            ["--num-layers: expected int", " x "],
        ),
        (["a", "--num_layers", "3", "--num-layers", "3"], ["'--num-layers'"]),
        (["a", "--note="], ["'--note'"]),
        (["a", "--num", "3"], ["--num 3"]),
    ],
)
def test_wrong_flags(
    argv: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *argv) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("soil-pyg train: ")
    assert all(word in captured.err for word in words)
    assert captured.err.count("\n") == 1


def test_a_closed_pipe_is_no_error_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    monkeypatch.setattr(run_command.os, "dup2", lambda _, number: closed.append(number))
    monkeypatch.setattr(run_command.sys, "stdout", SimpleNamespace(fileno=lambda: 1))
    assert run(monkeypatch, "DATA", error=BrokenPipeError(errno.EPIPE, "Broken pipe")) == 1
    assert closed == [1]


def test_the_module_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soil_pyg.cli", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stdout.startswith("soil-pyg ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    output = capsys.readouterr().out
    assert f"usage: soil-pyg {name} " in output
    assert "example" in output
    assert f"  soil-pyg {name} " in output


def test_the_package_installs_the_command() -> None:
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[2] / "setup.cfg")
    scripts = config["options.entry_points"]["console_scripts"].strip()
    assert scripts == "soil-pyg = soil_pyg.cli:main"
