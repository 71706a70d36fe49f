"""A worker of Ray, its node or a job is killed at random: nothing is lost or comes twice."""

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

from kills import PROGRAMS, Harness, content
from soil_bench.speed.process_tree import below
from test_kills import FEATURES, SCENARIOS, make_pristine

pytestmark = pytest.mark.slow
KILLS = range(20)
NODES = (1, 2, 3, 5)
"""While Ray starts, the loss of its node ends the command with a line of Ray's own."""
TRIES = 6
"""The number of times that a command is started until it is killed before its end."""
SECONDS = 600
"""The time in which a command must end, on a busy machine."""
LATE = 6.0
"""The seconds after the start of the first worker in which kills of jobs, and the first kills of
Ray, fall.
"""
RECOMMEND = "soil-pyg recommend RUN --users all --k 5 --memory-budget 9000"
PARTS = 20
"""The number of files of the command."""
RUNS = (
    "run.py --models popularity,bpr --seeds 1 --workers 2 --dataset tiny --root root --device cpu "
    "--epochs 300 --bpr.patience 300 --out RES"
)


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
            f"{RECOMMEND.partition(' ')[2]} --out all.parquet",
        ):
            assert harness.commands.run(f"soil-pyg {argv}", folder).code == 0
    finally:
        harness.commands.close()
    return folder


@pytest.fixture(scope="module")
def finished(place: Path) -> dict[str, str]:
    """The content of runs that are not disturbed."""
    folder = place.with_name("whole")
    assert Command(RUNS, with_root(folder, place)).wait() == 0
    return content(folder)


def with_root(folder: Path, place: Path) -> Path:
    folder.mkdir()
    (folder / "root").symlink_to(place / "root")
    return folder


class Command:
    """A command in a process of its own, whose output is kept."""

    def __init__(self, command: str, folder: Path) -> None:
        program, *argv = command.split()
        module, name = PROGRAMS[program]
        script = f"import sys; sys.argv[0] = {name!r}; from {module} import main; sys.exit(main())"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._logs = [folder.with_name(f"{folder.name}.{name}") for name in ("stdout", "stderr")]
        with self._logs[0].open("wb") as output, self._logs[1].open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", script, *argv],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=errors,
            )

    def wait(self) -> int:
        """Returns the exit code."""
        try:
            return self._process.wait(SECONDS)
        finally:
            self._process.kill()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def output(self) -> str:
        return self._logs[0].read_text("utf-8", "replace")

    def errors(self) -> str:
        return self._logs[1].read_text("utf-8", "replace")

    def processes(self, is_meant: Callable[[str], bool]) -> list[int]:
        """Returns the processes below this one with a command line of some kind."""
        found = []
        for number in below(self._process.pid)[1:]:
            with suppress(OSError, ValueError):
                line = Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ")
                if is_meant(line):
                    found.append(number)
        return found

    def kill_one(
        self, is_meant: Callable[[str], bool], is_time: Callable[[], bool], rng: random.Random
    ) -> bool:
        """Kills one of some processes at a time after the first one has begun, and returns whether
        the command had not ended by then.
        """
        while not self.processes(is_meant) and not self.has_ended():
            time.sleep(0.02)
        while not is_time() and not self.has_ended():
            time.sleep(0.001)
        found = self.processes(is_meant)
        with suppress(ProcessLookupError):
            if found and not self.has_ended():
                os.kill(rng.choice(found), signal.SIGKILL)
                return True
        return False


def after(seconds: float) -> Callable[[], bool]:
    """Returns a function that tells whether some time has passed since its first call."""
    began: list[float] = []

    def is_over() -> bool:
        began.append(time.monotonic())
        return began[-1] - began[0] >= seconds

    return is_over


def parts_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def killed_by_ray(
    place: Path, folder: Path, is_meant: Callable[[str], bool], seed: int
) -> tuple[Command, Path, int]:
    """Returns a command of which a process of Ray was killed while files were missing, the folder
    of its files, and their number at the time.
    """
    rng = random.Random(seed)
    for attempt in range(TRIES):
        out = folder / f"top{attempt}"
        # The blocks take no time, the start of the processes does.
        late, number = rng.uniform(0, LATE), rng.randrange(1, PARTS - 2)
        is_late = after(late)
        is_time = is_late if seed % 4 == 0 else lambda out=out, n=number: len(parts_of(out)) >= n
        command = Command(f"{RECOMMEND} --engine ray --out {out}/", place)
        was_killed = command.kill_one(is_meant, is_time, rng)
        begun = len(parts_of(out))
        if was_killed and begun < PARTS:
            return command, out, begun
        assert command.wait() == 0, command.errors()
    pytest.fail(f"{TRIES} commands have ended before they were killed")


def assert_complete(place: Path, out: Path) -> None:
    """Checks that a folder holds the rows of a command of one process, each once."""
    parts = parts_of(out)
    assert len(parts) == PARTS
    found = pd.concat(map(pd.read_parquet, parts), ignore_index=True)
    pd.testing.assert_frame_equal(found, pd.read_parquet(place / "all.parquet"))
    assert not found.duplicated(["user", "item"]).any()
    assert np.all(np.diff(found["rank"]) <= 1)
    assert {path.name for path in out.iterdir()} == {"parts.json", *(part.name for part in parts)}


@pytest.mark.parametrize("seed", KILLS)
def test_a_worker_of_ray(place: Path, tmp_path: Path, seed: int) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    # Without its agents, a node of Ray ends.
    command, out, _ = killed_by_ray(
        place, tmp_path, lambda line: line.startswith("ray::") and "Agent" not in line, seed
    )
    assert command.wait() == 0, command.errors()
    assert command.output() == ""
    assert_complete(place, out)


@pytest.mark.parametrize("seed", NODES)
def test_the_node_of_ray(place: Path, tmp_path: Path, seed: int) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    command, out, _ = killed_by_ray(place, tmp_path, lambda line: "/raylet/raylet " in line, seed)
    begin = time.monotonic()
    assert command.wait() == 1
    assert time.monotonic() - begin < 60
    assert "Traceback" not in command.errors()
    assert command.errors().splitlines()[-1].startswith("soil-pyg recommend: Ray has ended")
    times = {part: part.stat().st_mtime_ns for part in parts_of(out)}
    assert len(times) < PARTS
    # The files do not depend on the engine.
    again = Command(f"{RECOMMEND} --out {out}/", place)
    assert again.wait() == 0, again.errors()
    assert_complete(place, out)
    assert {part: part.stat().st_mtime_ns for part in times} == times


@pytest.mark.parametrize("seed", KILLS)
def test_a_job(place: Path, finished: dict[str, str], tmp_path: Path, seed: int) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (the extra 'cluster')")
    rng = random.Random(seed)
    for attempt in range(TRIES):
        folder = with_root(tmp_path / f"killed{attempt}", place)
        command = Command(RUNS, folder)
        is_time = after(rng.uniform(0, LATE))
        was_killed = command.kill_one(lambda line: "submitit.core._submit" in line, is_time, rng)
        code = command.wait()
        # A job that is killed once its run is stored has not failed.
        assert code in (0, 1), command.errors()
        if was_killed and code == 1:
            break
    else:
        pytest.fail(f"{TRIES} commands have ended before a job was killed")
    assert "Traceback" not in command.errors()
    again = Command(RUNS, folder)
    assert again.wait() == 0, again.errors()
    assert content(folder) == finished
