import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from typing_extensions import Self

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.early_stopping import EarlyStopping
from soil_pyg.utils.progress import LOG_SECONDS, REFRESH_SECONDS, duration, status

T = TypeVar("T")

PRIORITY = (0, 2, 4, 3, 1)
"""The order in which a terminal gives room to epoch, metric, best metric, loss and time left."""


class EpochProgress:
    """Shows the progress of a training run on standard error: in the line of a terminal, or else
    by a line per epoch and per minute of an epoch.

    The time left is that until the patience ends, if no better epoch comes before.

    Args:
        stopping (EarlyStopping): The rule that ends the training.
        enabled (bool): If set to :obj:`False`, shows nothing. (default: :obj:`True`)
    """

    def __init__(self, stopping: EarlyStopping, enabled: bool = True) -> None:
        self._stopping = stopping
        self._enabled = enabled and status.enabled
        self._result = TrainResult()
        self._first = 0
        self._start = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._enabled and status.is_live and self._result.epochs > self._first:
            self._show(self._result.epochs, "")
            status.keep()

    def track(self, batches: Iterable[T], num_batches: int, epoch: int) -> Iterator[T]:
        """Yields the batches of an epoch and shows their number."""
        now = time.monotonic()
        if self._start == 0:
            self._first, self._start = epoch - 1, now
        refresh, log = now, now + LOG_SECONDS
        for number, batch in enumerate(batches):
            if self._enabled and (now := time.monotonic()) >= refresh:
                if status.is_live:
                    self._show(epoch, f", {100 * number // num_batches} %")
                elif now >= log:
                    status.log(f"{self._epoch(epoch)}: batch {number:,} of {num_batches:,}")
                    log = now + LOG_SECONDS
                refresh = now + REFRESH_SECONDS
            yield batch

    def report(self, result: TrainResult) -> None:
        """Shows the result of the last epoch."""
        self._result = result
        if self._enabled and not status.is_live:
            terms = result.history[-1]["loss"]
            each = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
            metric, best, loss, left = self._parts()
            best = f" ({best} in epoch {result.best_epoch})" if best else ""
            parts = [f"{loss} ({each})" if len(terms) > 1 else loss, f"{metric}{best}", left]
            status.log(f"{self._epoch(result.epochs)}: {', '.join(filter(None, parts))}")

    def _show(self, epoch: int, share: str) -> None:
        parts = self._parts() if self._result.history else ("", "", "", "")
        shown = [(f"{self._epoch(epoch)}{share}", PRIORITY[0])]
        shown += [pair for pair in zip(parts, PRIORITY[1:], strict=True) if pair[0]]
        texts, priority = zip(*shown, strict=True)
        status.show(*texts, priority=priority)

    def _epoch(self, epoch: int) -> str:
        return f"epoch {epoch}/{self._stopping.epochs}"

    def _parts(self) -> tuple[str, str, str, str]:
        """Returns metric, best metric, loss and time left; those that are unknown are empty."""
        result, name = self._result, self._stopping.metric
        last = result.history[-1]
        metric = f"{name} {last['val'][name]:.4f}" if last["val"] else ""
        best = f"best {result.val[name]:.4f}" if last["val"] else ""
        seconds = (time.monotonic() - self._start) / max(1, result.epochs - self._first)
        left = duration(seconds * self._stopping.epochs_left(result))
        return metric, best, f"loss {sum(last['loss'].values()):.4f}", f"{left} left"
