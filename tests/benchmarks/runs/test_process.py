import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soil_bench.runs.process import run_process

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
