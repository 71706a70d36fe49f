import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from typing_extensions import Self

from soil_pyg.runs.training_run import TrainResult

T = TypeVar("T")


class EpochProgress:
    """Shows the progress of a training run on the standard error stream: a bar with a line of
    results in a terminal, and the line alone, at intervals, elsewhere.

    Args:
        enabled (bool, optional): If set to :obj:`False`, shows no progress.
            (default: :obj:`True`)
        console (rich.console.Console, optional): The console to write to.
            (default: a console on the standard error stream)
        seconds (float, optional): The time between two lines outside of a terminal, in seconds.
            (default: :obj:`30`)
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
        self._print()

    def track(self, batches: Iterable[T], num_batches: int, epoch: int) -> Iterator[T]:
        """Yields the batches of an epoch and advances the bar.

        Args:
            batches (iterable): The batches.
            num_batches (int): The number of batches.
            epoch (int): The number of the epoch.
        """
        self._bar.reset(self._task, total=num_batches, epoch=epoch, line=self._line)
        for batch in batches:
            yield batch
            self._bar.advance(self._task)

    def report(self, result: TrainResult, metric: str) -> None:
        """Shows the result of the last epoch.

        Args:
            result (TrainResult): The result so far.
            metric (str): The validation metric to show.
        """
        last = result.history[-1]
        terms = " ".join(f"{name} {value:.4f}" for name, value in last["loss"].items())
        self._line = (
            f"Epoch {result.epochs}: {terms}, val {metric} {last['val'][metric]:.4f} "
            f"(best {result.val[metric]:.4f} in epoch {result.best_epoch})"
        )
        self._bar.update(self._task, line=self._line)
        if self._bar.disable and time.monotonic() >= self._next_time:
            self._print()

    def message(self, text: str) -> None:
        """Shows a message, even where no progress is shown.

        Args:
            text (str): The message.
        """
        self._console.print(text, soft_wrap=True)

    def _print(self) -> None:
        if self._enabled and self._line != self._shown:
            self._console.print(self._line, soft_wrap=True)
            self._shown = self._line
            self._next_time = time.monotonic() + self._seconds
