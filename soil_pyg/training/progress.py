import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

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
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.triplet_loader import TripletLoader


class EpochProgress:
    """Shows on standard error how a training run goes: a bar with a line of results in a terminal,
    elsewhere the line from time to time.

    Args:
        enabled (bool, optional): If set to :obj:`False`, shows nothing. (default: :obj:`True`)
        console (rich.console.Console, optional): Where to show it.
            (default: the console of standard error)
        seconds (float, optional): Outside of a terminal, the time between two lines.
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

    def track(self, loader: TripletLoader | PartitionLoader, epoch: int) -> Iterator[Any]:
        """Yields the batches of an epoch and moves the bar on.

        Args:
            loader (TripletLoader or PartitionLoader): The loader.
            epoch (int): The number of the epoch.
        """
        self._bar.reset(self._task, total=len(loader), epoch=epoch, line=self._line)
        for batch in loader:
            yield batch
            self._bar.advance(self._task)

    def report(self, result: TrainResult, metric: str) -> None:
        """Shows the last epoch of a training run.

        Args:
            result (TrainResult): What the run has come to so far.
            metric (str): The validation metric to show.
        """
        last = result.history[-1]
        terms = " ".join(f"{name} {value:.4f}" for name, value in last["loss"].items())
        self._line = (
            f"Epoch {result.epochs}: {terms}, validation {metric} {last['val'][metric]:.4f} "
            f"(best {result.val[metric]:.4f} in epoch {result.best_epoch})"
        )
        self._bar.update(self._task, line=self._line)
        if self._bar.disable and time.monotonic() >= self._next_time:
            self._print()

    def message(self, text: str) -> None:
        """Shows a message, even if the progress is not shown.

        Args:
            text (str): The message.
        """
        self._console.print(text, soft_wrap=True)

    def _print(self) -> None:
        if self._enabled and self._line != self._shown:
            self._console.print(self._line, soft_wrap=True)
            self._shown = self._line
            self._next_time = time.monotonic() + self._seconds
