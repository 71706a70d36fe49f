"""Keeps threads that wait from spinning against other processes.

Between two parallel loops, threads of GNU's OpenMP spin for milliseconds before they sleep. If
another process keeps a core busy, each loop then waits for a thread that the spinning ones keep
from running.
"""

import os
import sys
import threading

SPINS = 1000
"""The number of spins that GNU's OpenMP chooses where threads outnumber cores."""

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""The environment variables by which a user decides how threads wait."""

_is_late = False
_idle: threading.Thread | None = None


def limit_spins() -> None:
    """Lets threads sleep after few spins, unless the user has decided how they wait.

    OpenMP reads the environment when torch is imported. If that has happened,
    :func:`limit_spins_late` takes over.
    """
    global _is_late
    if not any(name in os.environ for name in VARIABLES):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
        _is_late = "torch" in sys.modules


def limit_spins_late() -> None:
    """Limits the spins of a torch that was imported before this package.

    OpenMP spins briefly once it has more threads than cores, so this starts a second, idle team of
    threads. Call it where work on all threads begins and not at the import: a process that has
    used such threads cannot be forked safely.
    """
    global _idle
    if _is_late and (_idle is None or not _idle.is_alive()):
        ready = threading.Event()
        _idle = threading.Thread(target=_idle_team, args=(ready,), daemon=True)
        _idle.start()
        ready.wait()


def _idle_team(ready: threading.Event) -> None:
    import torch

    # Large enough for torch to use all threads.
    torch.zeros(2**20).add_(1)
    ready.set()
    threading.Event().wait()
