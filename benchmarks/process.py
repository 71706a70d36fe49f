"""Starts a script in a process of its own, which ends when the one that started it is gone."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path


def run_process(script: Path, line: str, grace_seconds: float = 60.0) -> int:
    """Runs a script with a line on its standard input and returns its exit code.

    Args:
        script (Path): The script.
        line (str): The line, with its end.
        grace_seconds (float): The time that the script has to stop after Ctrl-C.
            (default: :obj:`60.0`)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # In a session of its own, so that Ctrl-C reaches it once, from here.
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(line.encode())
        process.stdin.flush()
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        raise
    finally:
        process.kill()
        process.wait()


def stop_with_parent() -> None:
    """Interrupts this process once who started it is gone, which closes the standard input."""
    threading.Thread(target=_interrupt_at_end_of_input, daemon=True).start()


def _interrupt_at_end_of_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)
