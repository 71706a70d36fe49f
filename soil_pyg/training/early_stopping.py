import logging
from dataclasses import dataclass

from soil_pyg.runs.training_run import TrainResult

EARLY_EPOCHS = 5
"""The number of first epochs in which a best epoch suggests that training stopped too early."""
LONG_PATIENCE = 60
"""The smallest patience that is recommended for such a run."""

logger = logging.getLogger("soil_pyg")


@dataclass(frozen=True)
class EarlyStopping:
    """Compares the validation metrics of epochs and decides when training is over.

    Args:
        metric, patience, epochs, released_stopping: See :class:`~soil_pyg.training.Trainer`.
    """

    metric: str
    patience: int
    epochs: int
    released_stopping: bool

    def is_better(self, val: dict[str, float], best: dict[str, float]) -> bool:
        """Returns whether the metric of an epoch is better than the best one so far. Without
        validation, the last epoch is the best.
        """
        if not val:
            return True
        new, old = val[self.metric], best.get(self.metric, -1.0)
        return round(new, 4) > round(old, 4) if self.released_stopping else new > old

    def is_over(self, result: TrainResult) -> bool:
        """Returns whether the number of epochs or the patience is exhausted."""
        return self.epochs_left(result) == 0

    def epochs_left(self, result: TrainResult) -> int:
        """Returns the number of epochs until training is over if none of them is better."""
        waited = result.epochs - result.best_epoch
        left = min(self.epochs - result.epochs, self.patience + self.released_stopping - waited)
        return max(0, left)

    def warn(self, result: TrainResult) -> None:
        """Logs a warning if training may have ended in a dip after its first epochs."""
        if result.best_epoch > EARLY_EPOCHS or not self._is_exhausted(result):
            return
        patience = max(2 * self.patience, LONG_PATIENCE)
        logger.warning(
            "The best epoch is %d of %d, so training may have stopped too early with patience=%d: "
            "repeat it with patience=%d (--patience %d --overwrite)",
            *(result.best_epoch, result.epochs, self.patience, patience, patience),
        )

    def _is_exhausted(self, result: TrainResult) -> bool:
        waited = result.epochs - result.best_epoch
        return waited >= self.patience + self.released_stopping
