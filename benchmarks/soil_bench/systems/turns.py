"""The turns of a system: it works only while the others wait."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from soil_bench.runs.host import Host


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
            self.wait()
            start = time.perf_counter()
            yield epoch
            self.end("train", time.perf_counter() - start)

    def evaluate(self, evaluation: Callable[[], float | None]) -> None:
        """Takes a turn per epoch to evaluate the trained model.

        Args:
            evaluation (callable): Ranks all items for every user of the val split, and returns
                Recall@20, or :obj:`None` if the system has another metric.
        """
        for _ in range(self._epochs):
            self.wait()
            start = time.perf_counter()
            recall = evaluation()
            self.end("evaluate", time.perf_counter() - start, recall)

    def wait(self) -> None:
        """Waits for a turn. Before the first one, all is prepared."""
        if not self._is_ready:
            self._is_ready = True
            self._host.tell(task="ready", versions=self._versions)
        self._host.hear()

    def end(self, task: str, seconds: float, recall: Any = None) -> None:
        """Ends a turn.

        Args:
            task (str): :obj:`"train"` or :obj:`"evaluate"`.
            seconds (float): The time that the task took.
            recall (float, optional): The metric. (default: :obj:`None`)
        """
        self._host.tell(task=task, seconds=seconds, recall=recall)
