import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soil_bench.runs import process
from soil_bench.runs.process import run_process, run_processes

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
REPOSITORY = BENCHMARKS.parent
READS = "import sys\nsys.exit(int(sys.stdin.readline()))"
WAITS = """
import sys
import time

from soil_bench.runs.process import stop_with_parent

sys.stdin.readline()
stop_with_parent()
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module that processes can run."""

    def write_module(text: str) -> str:
        (tmp_path / "process_module.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return "process_module"

    return write_module


def test_line_and_exit_code(write: Callable[[str], str]) -> None:
    module = write(READS)
    assert [run_process(module, f"{code}\n") for code in (0, 5)] == [0, 5]


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WAITS)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(REPOSITORY)])},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("line\n")
    process.stdin.flush()
    assert process.stdout.readline() == "waiting\n"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(30) == 7


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_several_at_a_time(tmp_path: Path, write: Callable[[str], str], workers: int) -> None:
    module = write(
        "import os, sys\n"
        "print(os.environ.get('OMP_NUM_THREADS'), file=sys.stderr)\n"
        "sys.exit(int(sys.stdin.readline()))"
    )
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    started: list[int] = []
    lines = ["3\n", "0\n", "2\n", "1\n"]
    ended = dict(run_processes(module, lines, workers, logs=logs, on_start=started.append))
    assert ended == {0: 3, 1: 0, 2: 2, 3: 1}
    assert started == [0, 1, 2, 3]
    if workers > 1:
        threads = max(1, (process.os.cpu_count() or 1) // workers)
        assert [log.read_text() for log in logs] == [f"{threads}\n"] * 4


def test_no_more_than_the_workers_at_a_time(tmp_path: Path, write: Callable[[str], str]) -> None:
    module = write(
        "import sys, time, pathlib\n"
        "folder = pathlib.Path(sys.stdin.readline().strip())\n"
        "mine = folder / str(time.monotonic_ns())\n"
        "mine.touch()\n"
        "(folder.parent / f'{mine.name}.seen').write_text(str(len(list(folder.iterdir()))))\n"
        "time.sleep(0.3)\n"
        "mine.unlink()\n"
    )
    folder = tmp_path / "running"
    folder.mkdir()
    assert dict(run_processes(module, [f"{folder}\n"] * 5, 2)) == dict.fromkeys(range(5), 0)
    seen = [int(path.read_text()) for path in tmp_path.glob("*.seen")]
    assert max(seen) == 2


def test_nothing_to_run() -> None:
    assert list(run_processes("no_such_module", [], 2)) == []
