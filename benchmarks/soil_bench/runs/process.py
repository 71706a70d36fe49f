"""Processes that run a module and end together with their parent process.

As a program, calls the function :obj:`main` of the module that its argument names.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from importlib import import_module
from pathlib import Path

from soil_pyg.utils.signals import (
    EXIT_CODE,
    Interrupted,
    exit_on_signals,
    raise_on_signals,
    signals_held,
)

POLL_SECONDS = 0.1
MEBIBYTE = 2**20


def run_process(module: str, line: str, grace_seconds: float = 60.0) -> int:
    """Runs a module with a line of text in a process and returns the exit code.

    Args:
        module (str): The module, whose :obj:`main` takes the line and returns the exit code.
        line (str): The line, with its line break.
        grace_seconds (float): The time the process has to stop after SIGTERM.
            (default: :obj:`60.0`)
    """
    with closing(run_processes(module, [line], 1, grace_seconds)) as ended:
        return next(ended)[1]


def run_processes(
    module: str,
    lines: Sequence[str],
    workers: int,
    grace_seconds: float = 60.0,
    logs: Sequence[Path] | None = None,
    on_start: Callable[[int], None] = lambda number: None,
) -> Generator[tuple[int, int], None, None]:
    """Runs a module once per line, each in a process, and yields the number and the exit code of
    each process as it ends.

    Args:
        module (str): The module, whose :obj:`main` takes the line and returns the exit code.
        lines (Sequence[str]): The line of each process.
        workers (int): The number of processes at a time; several share the cores equally, unless
            :obj:`OMP_NUM_THREADS` is set.
        grace_seconds (float): The time the processes have to stop after SIGTERM, which they get if
            the iterator is closed before its end. (default: :obj:`60.0`)
        logs (Sequence[Path], optional): The file for the standard error of each process.
            (default: the standard error of this process)
        on_start (callable, optional): Called with the number of each process that is started.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    waiting = list(range(len(lines)))
    running: dict[int, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number = waiting.pop(0)
                on_start(number)
                log = None if logs is None else logs[number]
                # Nothing may come between the start of a process and its place among the others.
                with signals_held():
                    running[number] = _start(module, lines[number], environment, log)
            if len(running) == 1 and (workers == 1 or not waiting):
                next(iter(running.values())).wait()
            ended = [number for number, process in running.items() if process.poll() is not None]
            for number in ended:
                yield number, running.pop(number).returncode
            if not ended:
                time.sleep(POLL_SECONDS)
    finally:
        # Each keeps its last complete epoch. Ctrl-C may be disabled, as it is in the background.
        for process in running.values():
            process.terminate()
        deadline = time.monotonic() + grace_seconds
        for process in running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait()


def _start(
    module: str, line: str, environment: dict[str, str], log: Path | None
) -> "subprocess.Popen[bytes]":
    with ExitStack() as stack:
        stderr = None if log is None else stack.enter_context(log.open("ab"))
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        process = subprocess.Popen(
            [sys.executable, "-m", "soil_bench.runs.process", module],
            stdin=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    # The pipe stays open, as the process stops once it is closed. It may have ended by now.
    with suppress(BrokenPipeError):
        process.stdin.write(line.encode())
        process.stdin.flush()
    return process


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


def main(module: str) -> int:
    """Calls the function :obj:`main` of a module with the line on the standard input, until it
    returns the exit code or the parent process ends. Errors are one line; after a signal there is
    none, as the parent process reports it.
    """
    exit_on_signals()
    line = sys.stdin.readline()
    threading.Thread(target=_terminate_at_end_of_input, daemon=True).start()
    # Imported once signals are handled, as it takes seconds.
    from soil_pyg.cli.run_command import run_command

    def body() -> int:
        function = import_module(module).main
        raise_on_signals()
        try:
            code: int = function(line)
        except Interrupted as interruption:
            return EXIT_CODE + interruption.number
        return code

    return run_command("error", body)


def _terminate_at_end_of_input() -> None:
    # The end of the parent process closes it.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
