import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from soil_bench.runs import process
from soil_bench.runs.process import run_process, run_processes

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
REPOSITORY = BENCHMARKS.parent
Start = Callable[..., "subprocess.Popen[str]"]
READS = "def main(line):\n    return int(line)\n"
WAITS = """
import time

def main(line):
    try:
        print("waiting", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
"""
IMPORTS = """
import time

print("waiting", flush=True)
time.sleep(60)
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


@pytest.fixture
def start(tmp_path: Path, write: Callable[[str], str]) -> Iterator[Start]:
    """Starts a process of a module that waits."""
    folders = map(str, [BENCHMARKS, REPOSITORY, tmp_path])
    started = []

    def begin(text: str = WAITS) -> subprocess.Popen[str]:
        module = write(text)
        begun = subprocess.Popen(
            [sys.executable, "-m", "soil_bench.runs.process", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
            text=True,
        )
        assert begun.stdin is not None
        assert begun.stdout is not None
        begun.stdin.write("line\n")
        begun.stdin.flush()
        assert begun.stdout.readline() == "waiting\n"
        started.append(begun)
        return begun

    yield begin
    for each in started:
        each.kill()
        each.communicate()


def test_a_process_ends_with_the_one_that_started_it(
    start: Start,
) -> None:
    begun = start()
    assert begun.poll() is None
    # Closes the input, as the end of the parent would.
    assert begun.communicate(timeout=30) == ("cleaned up\n", "")
    assert begun.returncode == 143


def test_a_process_ends_while_it_imports(start: Start) -> None:
    begun = start(IMPORTS)
    assert begun.communicate(timeout=30) == ("", "")
    assert begun.returncode == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_left_to_the_parent_to_report(start: Start, number: signal.Signals) -> None:
    begun = start()
    begun.send_signal(number)
    assert begun.wait(30) == 128 + number
    assert begun.communicate() == ("cleaned up\n", "")


def test_an_error_is_a_line(write: Callable[[str], str], capfd: pytest.CaptureFixture[str]) -> None:
    module = write("def main(line):\n    raise ValueError('as told')")
    assert run_process(module, "line\n") == 2
    assert capfd.readouterr().err == "error: as told\n"


def test_an_interruption_ends_the_processes(tmp_path: Path, write: Callable[[str], str]) -> None:
    """One of two processes ends and the caller stops: the other one can clean up."""
    module = write(
        "import time, pathlib\n"
        "def main(line):\n"
        "    path = pathlib.Path(line.strip())\n"
        "    if path.name == 'first':\n"
        "        while not path.with_name('second').exists():\n"
        "            time.sleep(0.05)\n"
        "        return 0\n"
        "    path.touch()\n"
        "    try:\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        path.write_text('cleaned up')\n"
    )
    lines = [f"{tmp_path / name}\n" for name in ("first", "second")]
    with closing(run_processes(module, lines, 2)) as ended:
        assert next(ended) == (0, 0)
    assert (tmp_path / "second").read_text() == "cleaned up"


@pytest.mark.parametrize("threads_of_user", [None, "7"])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_several_at_a_time(
    tmp_path: Path,
    write: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    threads_of_user: str | None,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads_of_user:
        monkeypatch.setenv("OMP_NUM_THREADS", threads_of_user)
    module = write(
        "import os, sys\n"
        "def main(line):\n"
        "    print(os.environ.get('OMP_NUM_THREADS'), file=sys.stderr)\n"
        "    return int(line)\n"
    )
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    started: list[int] = []
    lines = ["3\n", "0\n", "2\n", "1\n"]
    ended = dict(run_processes(module, lines, workers, logs=logs, on_start=started.append))
    assert ended == {0: 3, 1: 0, 2: 2, 3: 1}
    assert started == [0, 1, 2, 3]
    if workers > 1:
        threads = threads_of_user or max(1, (process.os.cpu_count() or 1) // workers)
        assert [log.read_text() for log in logs] == [f"{threads}\n"] * 4


def test_no_more_than_the_workers_at_a_time(tmp_path: Path, write: Callable[[str], str]) -> None:
    module = write(
        "import time, pathlib\n"
        "def main(line):\n"
        "    folder = pathlib.Path(line.strip())\n"
        "    mine = folder / str(time.monotonic_ns())\n"
        "    mine.touch()\n"
        "    (folder.parent / f'{mine.name}.seen').write_text(str(len(list(folder.iterdir()))))\n"
        "    time.sleep(0.3)\n"
        "    mine.unlink()\n"
        "    return 0\n"
    )
    folder = tmp_path / "running"
    folder.mkdir()
    assert dict(run_processes(module, [f"{folder}\n"] * 5, 2)) == dict.fromkeys(range(5), 0)
    seen = [int(path.read_text()) for path in tmp_path.glob("*.seen")]
    assert max(seen) == 2


def test_nothing_to_run() -> None:
    assert list(run_processes("no_such_module", [], 2)) == []
