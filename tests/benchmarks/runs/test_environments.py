import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soil_bench.runs import environments
from soil_bench.runs.environments import (
    ENVIRONMENTS,
    Environment,
    default_folder,
    install,
    interpreter,
    why_missing,
)

TOY = Environment("toy", ("toy",))
BUILT = Environment("built", ("toy-built",), is_built=True)
ALONE = Environment("alone", ("toy-alone",), is_isolated=True)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip was called with, instead of calling it; it fails for names that end in "broken"."""
    called: list[list[str]] = []

    def run(command: list[str], stdout: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        called.append(command[1:])
        if command[-1].endswith("broken"):
            stdout.write("Collecting it\nERROR: no wheel\n")
            stdout.flush()
        return subprocess.CompletedProcess(command, int(command[-1].endswith("broken")))

    monkeypatch.setattr(environments.subprocess, "run", run)
    monkeypatch.setattr(environments.venv, "create", _create)
    for environment in (TOY, BUILT, ALONE):
        monkeypatch.setitem(ENVIRONMENTS, environment.name, environment)
    return called


def _create(place: Path, with_pip: bool) -> None:
    assert with_pip
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (place / "lib" / version / "site-packages").mkdir(parents=True)


def test_it_is_installed_once(tmp_path: Path, commands: list[list[str]]) -> None:
    folder = tmp_path / "environments"
    console = Console(quiet=True)
    assert why_missing("toy", folder) == "not installed: repeat with --install"
    for _ in range(2):
        install(["toy"], folder, console)
    assert commands == [["-m", "pip", "install", "toy"]]
    assert why_missing("toy", folder) is None
    (link,) = (folder / "toy").rglob("*.pth")
    assert os.fspath(Path(json.__file__).parents[3]) != link.read_text()
    assert Path(link.read_text()).name == "site-packages"


def test_sources_are_built_with_the_torch_that_is_seen(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    install(["built"], tmp_path, Console(quiet=True))
    assert [command[3:] for command in commands] == [
        ["--upgrade", "--ignore-installed", "setuptools", "wheel"],
        ["--no-build-isolation", "--no-deps", "toy-built"],
    ]


def test_an_isolated_one_sees_no_other_packages(tmp_path: Path, commands: list[list[str]]) -> None:
    install(["alone"], tmp_path, Console(quiet=True))
    assert list((tmp_path / "alone").rglob("*.pth")) == []
    assert why_missing("alone", tmp_path) is None


def test_other_requirements_are_installed_anew(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(["toy"], tmp_path, Console(quiet=True))
    monkeypatch.setitem(ENVIRONMENTS, "toy", Environment("toy", ("toy>=2",)))
    assert why_missing("toy", tmp_path) == "installed for another version: repeat with --install"
    install(["toy"], tmp_path, Console(quiet=True))
    assert commands[-1][-1] == "toy>=2"
    assert why_missing("toy", tmp_path) is None


def test_one_that_fails_is_noted_and_tried_again(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENTS, "toy", Environment("toy", ("toy-broken",)))
    for _ in range(2):
        install(["toy", "alone"], tmp_path, Console(quiet=True))
        assert why_missing("toy", tmp_path) == "cannot be installed: ERROR: no wheel"
        assert why_missing("alone", tmp_path) is None
    assert len(commands) == 3


def test_an_interrupted_one_is_missing(tmp_path: Path) -> None:
    (tmp_path / "implicit").mkdir()
    assert why_missing("implicit", tmp_path) == "not installed: repeat with --install"
    (tmp_path / "implicit" / "receipt.json").write_text("{")
    assert why_missing("implicit", tmp_path) == "not installed: repeat with --install"


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_folder() == Path("/cache/soil_pyg/environments")
    assert interpreter("dgl", Path("/x")) == Path("/x/dgl/bin/python")


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=lambda e: e.name)
def test_those_with_another_torch_are_isolated(environment: Environment) -> None:
    brings_torch = any(
        requirement.startswith("torch==") for requirement in environment.requirements
    )
    assert environment.is_isolated == brings_torch
