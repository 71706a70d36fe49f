import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from soil_pyg.cli import train

DOCS = Path(__file__).parents[2] / "docs"


def commands(name: str) -> list[str]:
    """Returns the command lines of 'soil-pyg train' in a file."""
    text = (DOCS / name).read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"(?:soil-pyg|soil_pyg\.cli) train (DATA.*)", text)


@pytest.mark.parametrize("name", ["past_one_machine.rst", "slurm.sh"])
def test_commands_are_understood(name: str) -> None:
    found = commands(name)
    assert len(found) >= 1
    for line in found:
        parser = ArgumentParser(exit_on_error=False)
        train.add_arguments(parser)
        train.add_options(parser, line.split())
        arguments = parser.parse_args(line.split())
        assert arguments.devices == 4


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_job_starts_the_command_on_every_task(tmp_path: Path) -> None:
    stub = tmp_path / "srun"
    stub.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS" "$@"\n')
    stub.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "8"}
    script = str(DOCS / "slurm.sh")
    for command in (["bash", "-n", script], ["bash", "-eu", script]):
        ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
    started = ["8", "--kill-on-bad-exit", "soil-pyg", "train", "DATA"]
    assert ended.stdout.split()[:5] == started


def test_the_tasks_of_the_job_are_its_devices() -> None:
    script = (DOCS / "slurm.sh").read_text("utf-8")
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\w+)", script, re.MULTILINE))
    flags = dict(re.findall(r"--([\w-]+) (\d+)", script))
    assert (asked["nodes"], asked["ntasks-per-node"]) == (flags["num-nodes"], flags["devices"])
    assert asked["gpus-per-node"] == flags["devices"]
