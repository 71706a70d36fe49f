import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typing_extensions import Self

from soil_pyg.runs.training_run import TrainResult

T = TypeVar("T")


class EpochProgress:
    """Shows the progress of a training run on the standard error stream, or on another console: a
    bar with a line of results in a terminal, and the line alone, at intervals of :obj:`seconds`,
    elsewhere.
    """

    def __init__(
        self, enabled: bool = True, console: Console | None = None, seconds: float = 30
    ) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False)
        self._enabled = enabled
        self._seconds = seconds
        self._shown = ""
        self._line = ""
        self._next_time = 0.0
        self._bar = Progress(
            TextColumn("Epoch {task.fields[epoch]}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[line]}", markup=False),
            console=self._console,
            disable=not (enabled and self._console.is_terminal),
            transient=True,
        )
        self._task = self._bar.add_task("", epoch=0, line="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
        self._print()

    def track(self, batches: Iterable[T], num_batches: int, epoch: int) -> Iterator[T]:
        """Yields the batches of an epoch and advances the bar."""
        self._bar.reset(self._task, total=num_batches, epoch=epoch, line=self._line)
        for batch in batches:
            yield batch
            self._bar.advance(self._task)

    def report(self, result: TrainResult, metric: str) -> None:
        """Shows the result of the last epoch with one of its validation metrics."""
        last = result.history[-1]
        terms = " ".join(f"{name} {value:.4f}" for name, value in last["loss"].items())
        self._line = (
            f"Epoch {result.epochs}: {terms}, val {metric} {last['val'][metric]:.4f} "
            f"(best {result.val[metric]:.4f} in epoch {result.best_epoch})"
        )
        self._bar.update(self._task, line=self._line)
        if self._bar.disable and time.monotonic() >= self._next_time:
            self._print()

    def _print(self) -> None:
        if self._enabled and self._line != self._shown:
            self._console.print(self._line, soft_wrap=True)
            self._shown = self._line
            self._next_time = time.monotonic() + self._seconds
