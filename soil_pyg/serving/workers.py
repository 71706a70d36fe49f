import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from soil_pyg.utils.progress import status
from soil_pyg.utils.signals import SIGNALS

CHECK_SECONDS = 0.1
"""The time between two looks at the workers."""

RESTART_SECONDS = 1.0
"""The shortest time between two starts of a worker, so that one that fails does not take a core."""


def heeded_signals() -> list[int]:
    """Returns the signals that end this process, without those that its parent has disabled, as
    :obj:`nohup` does.
    """
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


class Workers:
    """Processes that share the memory of this one and do the same, which are started again when
    they end.

    They are forked, so this process must have no threads.

    Args:
        work (callable): What a worker does, given whether it is the very first; it ends on
            SIGTERM.
        number (int): The number of workers.
        on_end (callable): Called with the process id of a worker that has ended.
        grace_seconds (float): The time after which a worker that has not ended on SIGTERM is
            killed.
        follow (callable): Called again and again, to change what the next worker begins with.
    """

    def __init__(
        self,
        work: Callable[[bool], None],
        number: int,
        on_end: Callable[[int], None],
        grace_seconds: float,
        follow: Callable[[], object] = lambda: None,
    ) -> None:
        self._work, self._number, self._on_end = work, number, on_end
        self._grace_seconds, self._follow = grace_seconds, follow
        self._started: dict[int, float] = {}
        self._is_first = True
        self._is_ending = False

    def run(self) -> None:
        """Keeps the workers running until a signal ends this process, then ends them."""
        handlers = {number: signal.signal(number, self._end) for number in heeded_signals()}
        try:
            while not self._is_ending:
                while len(self._started) < self._number and not self._is_ending:
                    self._start()
                time.sleep(CHECK_SECONDS)
                self._follow()
                self._collect()
        finally:
            self._stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._is_ending = True

    def _start(self) -> None:
        is_first, self._is_first = self._is_first, False
        if (process := os.fork()) > 0:
            self._started[process] = time.monotonic()
            return
        code = 1
        for number in heeded_signals():
            signal.signal(number, signal.SIG_DFL)
        try:
            self._work(is_first)
            code = 0
        except Exception as error:
            status.write_line(f"worker {os.getpid()}: {type(error).__name__}: {error}")
            sys.stderr.flush()
        finally:
            # The rest of the program belongs to the other process.
            os._exit(code)

    def _collect(self) -> None:
        for process, since in list(self._started.items()):
            ended, how = os.waitpid(process, os.WNOHANG)
            if ended == 0:
                continue
            del self._started[process]
            self._on_end(process)
            if not self._is_ending:
                code = os.waitstatus_to_exitcode(how)
                reason = f"by signal {-code}" if code < 0 else f"with exit code {code}"
                status.write_line(f"worker {process} has ended {reason}; another one is started")
                time.sleep(max(0.0, since + RESTART_SECONDS - time.monotonic()))

    def _stop(self) -> None:
        self._is_ending = True
        self._signal(signal.SIGTERM)
        last = time.monotonic() + self._grace_seconds
        while self._started and time.monotonic() < last:
            time.sleep(CHECK_SECONDS)
            self._collect()
        self._signal(signal.SIGKILL)
        while self._started:
            self._collect()

    def _signal(self, number: int) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                os.kill(process, number)
