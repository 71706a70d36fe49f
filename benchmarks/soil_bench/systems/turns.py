"""The turns of a system: it works only while the others wait."""

import time
from collections.abc import Callable, Iterator

from soil_bench.runs.host import Host

LONG_SECONDS = 10.0
"""The time of an evaluation that is not repeated."""


class Turns:
    """Waits for each turn, and tells how long it took.

    Args:
        host (Host): The process that gives the turns.
        epochs (int): The number of epochs, and of evaluations.
        versions (dict[str, str]): The versions of the system's packages, which are told before the
            first turn.
    """

    def __init__(self, host: Host, epochs: int, versions: dict[str, str]) -> None:
        self._host = host
        self._epochs = epochs
        self._versions = versions
        self._is_ready = False

    def epochs(self) -> Iterator[int]:
        """Yields the number of each epoch at the beginning of its turn, which ends when the next
        number is asked for.
        """
        for epoch in range(self._epochs):
            self.begin()
            yield epoch
            self.end("train")

    def evaluate(self, evaluation: Callable[[], float | None]) -> None:
        """Takes a turn per epoch to evaluate the trained model, a single one if it takes long.

        Args:
            evaluation (callable): Ranks all items for every user of the val split, and returns
                Recall@20, or :obj:`None` if the system has another metric.
        """
        for _ in range(self._epochs):
            self.begin()
            if self.end("evaluate", evaluation()) > LONG_SECONDS:
                return

    def begin(self) -> None:
        """Waits for a turn. Before the first one, all is prepared."""
        if not self._is_ready:
            self._is_ready = True
            self._host.tell(task="ready", versions=self._versions)
        self._host.hear()
        self._start = time.perf_counter(), time.process_time()

    def end(self, task: str, recall: float | None = None) -> float:
        """Ends a turn and returns its CPU seconds.

        Args:
            task (str): :obj:`"train"`, :obj:`"evaluate"` or :obj:`"end"`.
            recall (float, optional): The metric. (default: :obj:`None`)
        """
        wall, cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        self._host.tell(task=task, wall=wall, cpu=cpu, recall=recall)
        return cpu
