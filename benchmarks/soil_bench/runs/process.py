"""Processes that run a module and end together with their parent process."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

POLL_SECONDS = 0.1
INTERRUPTED = 130
"""The exit code after Ctrl-C."""
MEBIBYTE = 2**20


def run_process(module: str, line: str, grace_seconds: float = 60.0) -> int:
    """Runs a module with a line on its standard input and returns its exit code.

    Args:
        module (str): The module, as for :obj:`python -m`.
        line (str): The line, with its line break.
        grace_seconds (float): The time the process has to stop after Ctrl-C.
            (default: :obj:`60.0`)
    """
    return next(iter(run_processes(module, [line], 1, grace_seconds)))[1]


def run_processes(
    module: str,
    lines: Sequence[str],
    workers: int,
    grace_seconds: float = 60.0,
    logs: Sequence[Path] | None = None,
    on_start: Callable[[int], None] = lambda number: None,
) -> Iterator[tuple[int, int]]:
    """Runs a module once per line and yields the number and the exit code of each process as it
    ends.

    Args:
        module (str): The module, as for :obj:`python -m`.
        lines (Sequence[str]): The standard input of each process.
        workers (int): The number of processes at a time; several share the cores equally.
        grace_seconds (float): The time a process has to stop after Ctrl-C.
            (default: :obj:`60.0`)
        logs (Sequence[Path], optional): The file for the standard error of each process.
            (default: the standard error of this process)
        on_start (callable, optional): Called with the number of each process that is started.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if workers > 1:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    waiting = list(range(len(lines)))
    running: dict[int, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number = waiting.pop(0)
                on_start(number)
                log = None if logs is None else logs[number]
                running[number] = _start(module, lines[number], environment, log)
            if len(running) == 1 and (workers == 1 or not waiting):
                next(iter(running.values())).wait()
            ended = [number for number, process in running.items() if process.poll() is not None]
            for number in ended:
                yield number, running.pop(number).returncode
            if not ended:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        for process in running.values():
            process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            for process in running.values():
                process.wait(grace_seconds)
        raise
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _start(
    module: str, line: str, environment: dict[str, str], log: Path | None
) -> "subprocess.Popen[bytes]":
    with ExitStack() as stack:
        stderr = None if log is None else stack.enter_context(log.open("ab"))
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    # The pipe stays open: the process stops once it is closed.
    process.stdin.write(line.encode())
    process.stdin.flush()
    return process


def stop_with_parent() -> None:
    """Interrupts this process when its parent ends, which closes the standard input."""
    threading.Thread(target=_interrupt_at_end_of_input, daemon=True).start()


def _interrupt_at_end_of_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def peak_rss() -> int:
    """Returns the peak memory of this process in bytes."""
    status = Path("/proc/self/status")
    # On Linux ru_maxrss begins with the peak of the process that started this one.
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
