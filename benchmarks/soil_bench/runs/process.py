"""A process that runs a module and ends together with its parent process.

As a program, calls the function :obj:`main` of the module that its argument names.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from soil_pyg.utils.signals import (
    EXIT_CODE,
    Interrupted,
    exit_on_signals,
    raise_on_signals,
    signals_held,
)

MEBIBYTE = 2**20


def run_process(module: str, line: str, grace_seconds: float = 60.0) -> int:
    """Runs a module with a line of text in a process and returns the exit code.

    Several at a time, and jobs of a cluster, are those of
    :func:`soil_bench.runs.execution.run_processes`. One alone needs no package, starts a second
    earlier and has the terminal of this process.

    Args:
        module (str): The module, whose :obj:`main` takes the line and returns the exit code.
        line (str): The line, with its line break.
        grace_seconds (float): The time the process has to stop after SIGTERM, which it gets if
            this one is interrupted. (default: :obj:`60.0`)
    """
    # Nothing may come between the start of the process and the block that ends it.
    with signals_held():
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        process = subprocess.Popen(
            [sys.executable, "-m", "soil_bench.runs.process", module],
            stdin=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
    try:
        assert process.stdin is not None
        # The pipe stays open, as the process stops once it is closed. It may have ended by now.
        with suppress(BrokenPipeError):
            process.stdin.write(line.encode())
            process.stdin.flush()
        return process.wait()
    finally:
        # It keeps its last complete epoch. Ctrl-C may be disabled, as it is in the background.
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        process.kill()
        process.wait()


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
    """Calls :func:`call_main` with the line on the standard input, until it returns or the parent
    process ends.
    """
    exit_on_signals()
    line = sys.stdin.readline()
    threading.Thread(target=_terminate_at_end_of_input, daemon=True).start()
    return call_main(module, line)


def call_main(module: str, line: str) -> int:
    """Calls the function :obj:`main` of a module with a line and returns its exit code. Errors are
    one line; after a signal there is none, as the parent process reports it.
    """
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
