import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lightning_fabric import Fabric

LAUNCHER = "SOIL_PYG_LAUNCHER"
"""The environment variable with the process that has started this one to train with it."""
LONGEST_SECONDS = 1800.0
"""The longest time that processes wait for those that have not started."""
CHECK_SECONDS = 1.0


def join_processes(fabric: Fabric) -> None:
    """Joins the processes that train together, which Fabric starts if nothing else has.

    A process ends if the one that has started it ends before all have joined, as it would wait in
    vain.

    Args:
        fabric (Fabric): Lightning Fabric.
    """
    if int(os.environ.get("LOCAL_RANK") or 0) == 0:
        # Those that Fabric starts inherit it.
        os.environ[LAUNCHER] = str(os.getpid())
    with _watched(fabric.world_size):
        fabric.launch()


@contextmanager
def _watched(size: int) -> Iterator[None]:
    has_joined = threading.Event()
    if size > 1:
        threading.Thread(target=_watch, args=(has_joined,), daemon=True).start()
    try:
        yield
    finally:
        has_joined.set()


def _watch(has_joined: threading.Event) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not has_joined.wait(CHECK_SECONDS):
        if _has_launcher() and time.monotonic() < deadline:
            continue
        with suppress(OSError, ValueError, AttributeError):
            rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0
            sys.stderr.write(
                f"soil-pyg: Process {rank} has waited in vain for the others to start: start all "
                "of them again\n"
            )
            sys.stderr.flush()
        # The main thread waits where no exception reaches it.
        os._exit(1)


def _has_launcher() -> bool:
    launcher = os.environ.get(LAUNCHER)
    if launcher is None or os.name != "posix":
        return True
    with suppress(PermissionError):
        try:
            os.kill(int(launcher), 0)
        except ProcessLookupError:
            return False
    return True
