"""Processes that run a module, several at a time, on this machine or as jobs of SLURM.

submitit starts them. It pickles what it submits and what comes back: here the name of a module, a
line of JSON and an exit code, in a folder that is made for the call and removed after it.
"""

import fcntl
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from soil_bench.runs.process import call_main, run_process
from soil_pyg.utils.signals import exit_on_signals, signals_held

if TYPE_CHECKING:
    import submitit

GRACE_SECONDS = 60.0
POLL_SECONDS = {"local": 0.05, "slurm": 1.0}
NO_LIMIT = 10**7
"""The minutes that a process of this machine may take."""
DAY = 24 * 60
"""The minutes that a job of SLURM may take by default."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Execution:
    """How runs are executed.

    Args:
        workers (int): The number of runs at a time. (default: :obj:`1`)
        executor (str, optional): :obj:`"local"` or :obj:`"slurm"`, both by submitit.
            (default: :obj:`None`, a process of this one for each run, if they run one at a time)
        slurm (dict[str, Any]): The parameters of :class:`submitit.SlurmExecutor`.
            (default: none)
    """

    workers: int = 1
    executor: str | None = None
    slurm: dict[str, Any] = field(default_factory=dict)


def run_processes(
    module: str,
    lines: Sequence[str],
    execution: Execution,
    logs: Sequence[Path],
    on_start: Callable[[int], None] = lambda number: None,
) -> Generator[tuple[int, int | None], None, None]:
    """Runs a module once per line, each in a process, and yields the number of each process and its
    exit code, :obj:`None` if it was killed, as it ends.

    If the iterator is closed before its end, the processes get SIGTERM and some time to stop.

    Args:
        module (str): The module, whose :obj:`main` takes the line and returns the exit code.
        lines (Sequence[str]): The line of each process.
        execution (Execution): How they are executed. Several on this machine share the cores
            equally, unless :obj:`OMP_NUM_THREADS` is set.
        logs (Sequence[Path]): The file for the output of each process; without an executor, it is
            that of this process.
        on_start (callable, optional): Called with the number of each process that is started.
    """
    if execution.executor is None:
        for number, line in enumerate(lines):
            on_start(number)
            yield number, run_process(module, line)
        return
    if not lines:
        return
    waiting = deque(range(len(lines)))
    running: dict[int, submitit.Job[int]] = {}
    with ExitStack() as stack:
        folder = logs[0].parent.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        jobs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-", dir=folder)))
        executor = _make_executor(execution, jobs)
        # Local processes end when it is released, by this process or by its end.
        alive = stack.enter_context((jobs / "alive").open("wb"))
        fcntl.flock(alive, fcntl.LOCK_EX)
        is_local = execution.executor == "local"
        try:
            while waiting or running:
                while waiting and len(running) < execution.workers:
                    number = waiting.popleft()
                    on_start(number)
                    watched = alive.name if is_local else None
                    call = Call(module, lines[number], str(logs[number].resolve()), watched)
                    with _submission(execution):
                        running[number] = executor.submit(call)
                ended = [number for number, job in running.items() if job.done()]
                for number in ended:
                    yield number, _exit_code(running.pop(number), logs[number])
                if not ended:
                    time.sleep(POLL_SECONDS[execution.executor])
        finally:
            fcntl.flock(alive, fcntl.LOCK_UN)
            for job in running.values() if not is_local else ():
                job.cancel(check=False)
            deadline = time.monotonic() + GRACE_SECONDS + 5
            while not all(job.done() for job in running.values()) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS[execution.executor])


def _make_executor(
    execution: Execution, folder: Path
) -> "submitit.LocalExecutor | submitit.SlurmExecutor":
    import submitit

    if execution.executor == "local":
        executor = submitit.LocalExecutor(folder)
        executor.update_parameters(timeout_min=NO_LIMIT)
        return executor
    slurm = submitit.SlurmExecutor(folder)
    try:
        slurm.update_parameters(**{"job_name": "soil_bench", "time": DAY} | execution.slurm)
    except (ValueError, TypeError) as error:
        raise ValueError(f"'--slurm' must hold parameters of submitit: {error}") from error
    return slurm


@contextmanager
def _submission(execution: Execution) -> Iterator[None]:
    """Sets what a process inherits from the one that submits it."""
    changed = {"PYTHONPATH": os.pathsep.join(sys.path)}
    if execution.executor == "local" and execution.workers > 1:
        threads = max(1, (os.cpu_count() or 1) // execution.workers)
        changed["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(threads))
    before = dict(os.environ)
    # Ctrl-C in a terminal must reach processes once, from here, and submitit's not at all, which
    # kill after a second. A signal that is blocked stays so in the processes.
    with signals_held():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        os.environ.update(changed)
        try:
            yield
        finally:
            for name in changed.keys() - before.keys():
                del os.environ[name]
            os.environ.update({name: before[name] for name in changed.keys() & before.keys()})
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _exit_code(job: "submitit.Job[int]", log: Path) -> int | None:
    import submitit

    # A process that has lost its supervisor may still run.
    with log.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if isinstance(job, submitit.LocalJob) and not job.paths.result_pickle.exists():
            file.write((job.stderr() or "").encode())
            return None
        try:
            code: int = job.result()
            return code
        except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as e:
            file.write(f"{e}\n".encode())
            return None


@dataclass(frozen=True)
class Call:
    """The call of a module's :obj:`main` in a job.

    Args:
        module (str): The module.
        line (str): Its argument.
        log (str): The file for the output.
        alive (str, optional): The file that the parent process has locked as long as it lives.
        visible (str, optional): The GPUs that the parent process sees.
    """

    module: str
    line: str
    log: str
    alive: str | None
    visible: str | None = field(default_factory=lambda: os.environ.get(VISIBLE))

    def __call__(self) -> int:
        """Returns the exit code."""
        exit_on_signals()
        # SLURM's warning that the time is up.
        signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        if self.alive is not None:
            threading.Thread(target=_end_without, args=[self.alive], daemon=True).start()
            # submitit hides the GPUs from local processes.
            os.environ.pop(VISIBLE, None)
            if self.visible is not None:
                os.environ[VISIBLE] = self.visible
        # The log is that of the run alone.
        logging.getLogger("submitit").setLevel(logging.ERROR)
        with open(self.log, "ab") as log:
            _take_over(log)
        return call_main(self.module, self.line)


def _take_over(log: IO[bytes]) -> None:
    # Another process with the same log works on the same run.
    fcntl.flock(log, fcntl.LOCK_EX)
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)


def _end_without(alive: str) -> None:
    with suppress(FileNotFoundError), open(alive, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
