"""The Dockerfile, as far as it can be checked without an engine."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soil_pyg import cli

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """Returns the instructions of the Dockerfile with their arguments."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def pip_line() -> list[str]:
    (found,) = [text for kind, text in instructions() if kind == "RUN" and "pip" in text]
    return shlex.split(found)


def test_instructions_are_known() -> None:
    kinds = [kind for kind, _ in instructions()]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert kinds[0] == "FROM"
    assert set(kinds) <= known


def test_copied_files_exist_and_are_sent_to_the_engine() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {word for kind, text in instructions() if kind == "COPY" for word in text.split()[:-1]}
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)


def test_pip_installs_the_pinned_versions_of_known_extras() -> None:
    words = pip_line()
    assert words[words.index("-c") + 1] == "constraints.txt"
    (extras,) = re.findall(r"^\.\[(.+)\]$", words[-1])
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert set(extras.split(",")) <= set(config["options.extras_require"])
    assert "serve" in extras.split(",")


def test_the_command_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    given = {kind: json.loads(text) for kind, text in instructions() if text.startswith("[")}
    program, *arguments = [*given["ENTRYPOINT"], *given["CMD"]]
    assert program == "soil-pyg"
    assert cli.main(arguments) == 0
    assert "serve" in capsys.readouterr().out


@pytest.mark.slow
def test_the_pip_line_works_in_a_new_environment(tmp_path: Path) -> None:
    """Without the index of PyTorch, which not every machine reaches."""
    for kind, text in instructions():
        for name in text.split()[:-1] if kind == "COPY" else []:
            source, target = ROOT / name, tmp_path / "src" / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(exist_ok=True)
                shutil.copy(source, target)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    words = pip_line()
    place = words.index("--extra-index-url")
    words = [*words[:place], *words[place + 2 :]]
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    pip = [tmp_path / "venv" / "bin" / "python", "-m", *words]
    subprocess.run(pip, cwd=tmp_path / "src", check=True, env=environment)
    program = tmp_path / "venv" / "bin" / "soil-pyg"
    done = subprocess.run(
        [program, "serve", "--help"], capture_output=True, text=True, env=environment, check=True
    )
    assert "--workers" in done.stdout


@pytest.mark.slow
def test_the_image_is_built(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no engine of containers runs here")
    subprocess.run(["docker", "build", "-t", "soil-pyg-test", ROOT], check=True)
    subprocess.run(["docker", "run", "--rm", "soil-pyg-test", "serve", "--help"], check=True)
