"""A worker of Ray or a job is killed at random: nothing is lost, and nothing comes twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kills import Harness, content
from test_kills import FEATURES, SCENARIOS, make_pristine

pytestmark = pytest.mark.slow
KILLS = range(20)
RECOMMEND = "soil-pyg recommend RUN --users all --k 5 --memory-budget 9000"
RUNS = (
    "run.py --models popularity,bpr --seeds 2 --workers 2 --dataset tiny --root root --device cpu "
    "--epochs 30 --bpr.patience 30 --out RES"
)
PROGRAMS = {"soil-pyg": ("soil_pyg.cli", "soil-pyg"), "run.py": ("run", "run.py")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, from which each command starts."""
    folder = tmp_path_factory.mktemp("workers") / "pristine"
    folder.mkdir()
    make_pristine(folder)
    harness = Harness(folder, folder.parent, SCENARIOS)
    try:
        for argv in (
            f"prepare p.csv --out DATA {FEATURES}",
            "train DATA --out RUN --k 3 --k_i 3 --hidden_channels 8 --epochs 1 --device cpu",
        ):
            assert harness.commands.run(f"soil-pyg {argv}", folder).code == 0
    finally:
        harness.commands.close()
    return folder


def start(command: str, folder: Path) -> subprocess.Popen[bytes]:
    program, *argv = command.split()
    module, name = PROGRAMS[program]
    script = f"import sys; sys.argv[0] = {name!r}; from {module} import main; sys.exit(main())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", script, *argv], cwd=folder, env=environment)


def workers(root: int, is_worker: Callable[[str], bool]) -> list[int]:
    """Returns the processes below another one whose command line is that of a worker."""
    parents, lines = {}, {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            number = int(entry.name)
            parents[number] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            lines[number] = (entry / "cmdline").read_text().replace("\0", " ")
    found = []
    for number, line in lines.items():
        above = number
        while above in parents and above != root:
            above = parents[above]
        if above == root and number != root and is_worker(line):
            found.append(number)
    return found


def kill_one(
    process: subprocess.Popen[bytes], is_worker: Callable[[str], bool], rng: random.Random
) -> bool:
    """Kills a worker some time after the first one has begun; returns whether there was one."""
    found: list[int] = []
    while process.poll() is None and not found:
        found = workers(process.pid, is_worker)
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 4))
    found = workers(process.pid, is_worker)
    with suppress(ProcessLookupError):
        if found:
            os.kill(rng.choice(found), signal.SIGKILL)
            return True
    return False


@pytest.mark.parametrize("seed", KILLS)
def test_a_worker_of_ray(place: Path, tmp_path: Path, seed: int) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    process = start(f"{RECOMMEND} --engine ray --out {tmp_path}/top/", place)
    # The node of Ray ends with its agents, and on one machine the command with it.
    kill_one(
        process, lambda line: line.startswith("ray::") and "Agent" not in line, random.Random(seed)
    )
    assert process.wait(300) == 0
    assert start(f"{RECOMMEND} --out {tmp_path}/all.parquet", place).wait() == 0
    parts = sorted((tmp_path / "top").glob("*.parquet"))
    assert len(parts) > 2
    found = pd.concat(map(pd.read_parquet, parts), ignore_index=True)
    pd.testing.assert_frame_equal(found, pd.read_parquet(tmp_path / "all.parquet"))
    assert not found.duplicated(["user", "item"]).any()
    assert np.all(np.diff(found["rank"]) <= 1)


@pytest.mark.parametrize("seed", KILLS)
def test_a_job(place: Path, tmp_path: Path, seed: int) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (the extra 'cluster')")
    left = {}
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "root").symlink_to(place / "root")
        process = start(RUNS, folder)
        if name == "killed":
            kill_one(process, lambda line: "submitit.core._submit" in line, random.Random(seed))
            assert process.wait(120) in (0, 1)
            process = start(RUNS, folder)
        assert process.wait(120) == 0
        left[name] = content(folder)
    assert left["killed"] == left["whole"]
