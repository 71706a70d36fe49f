"""Peak memory of one contestant on one case, each measured in a process of its own.

As a program, it forks a process per job that it reads, so that imports are shared.
"""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from soil_bench.runs.process import MEBIBYTE, peak_rss

LIMIT_SECONDS = 120
"""The time limit of a job, as a library may hang after the fork."""


class PeakMemory:
    """Measures the peak memory of a process above the inputs of a case, used as a context.

    It includes the preparation, the work and the result, but not the imports and the inputs.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "PeakMemory":
        if hasattr(os, "fork"):
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            # In a session of its own, so that Ctrl-C does not reach it.
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "soil_bench.speed.peak_memory"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()

    def measure(self, job: dict[str, Any]) -> dict[str, Any]:
        """Returns the peak of each task in MiB, or nothing if it cannot be measured.

        Args:
            job (dict[str, Any]): The :obj:`module`, the :obj:`contestant`, the :obj:`spec` of the
                case and the :obj:`file` of its tensors.

        Raises:
            MemoryError: If the process was killed, for example for lack of memory.
        """
        if self._process is None:
            return {}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or "{}")
        if "signal" in answer:
            name = signal.Signals(answer["signal"]).name
            raise MemoryError(f"its process was ended by {name}; is the memory too small?")
        return dict(answer)


def measure(contestant: Any, module: Any, job: dict[str, Any]) -> dict[str, float]:
    """Returns the peak memory of each task in MiB above the inputs.

    Args:
        contestant (Contestant): The contestant.
        module (module): The module of the contestant and of the case.
        job (dict[str, Any]): As for :meth:`PeakMemory.measure`.
    """
    library = import_module(contestant.package)
    # The first use starts threads and loads code, which must not count.
    for task in contestant.make(library, module.draw(module.tiny(job["spec"]), seed=0)).values():
        task()
    case = module.Case.load(job["spec"], Path(job["file"]))
    before = peak_rss()
    peaks = {}
    for name, task in contestant.make(library, case).items():
        task()
        peaks[name] = (peak_rss() - before) / MEBIBYTE
    return peaks


def answer(job: dict[str, Any]) -> None:
    """Measures a job in a child of this process and prints its answer.

    Args:
        job (dict[str, Any]): As for :meth:`PeakMemory.measure`.
    """
    module = import_module(job["module"])
    found = [c for c in module.CONTESTANTS if c.name == job["contestant"]]
    for contestant in found:
        import_module(contestant.package)  # Imported here for all later children.
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT_SECONDS)
        try:
            _write(measure(found[0], module, job))
        except Exception:  # The comparison raises the same error and shows it.
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status != 0:
        _write({"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {})


def main() -> int:
    """Answers the jobs on standard input, one per line."""
    for line in sys.stdin:
        answer(json.loads(line))
    return 0


def _write(values: dict[str, Any]) -> None:
    os.write(ANSWERS, (json.dumps(values) + "\n").encode())


if __name__ == "__main__":
    ANSWERS = os.dup(1)
    os.dup2(2, 1)  # The output of libraries is not an answer.
    sys.exit(main())
