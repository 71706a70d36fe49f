import os
import shutil
from pathlib import Path
from typing import Any

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.utils.extras import install_command

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes the loss terms and the validation metrics of every epoch as TensorBoard events to
    the folder :obj:`tensorboard` of a run.

    A resumed run writes the events of its whole history again. Raises :class:`ImportError` if
    TensorBoard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                f"TensorBoard is not installed: {install_command('tensorboard')}, or train "
                "without 'tensorboard' (--tensorboard)"
            ) from error
        self._make: Any = SummaryWriter
        self._folder = Path(folder).expanduser() / FOLDER
        self._writer: Any = None
        self._num_epochs = 0

    def on_epoch(self, result: TrainResult) -> None:
        """Writes the epochs that have not been written yet."""
        if self._writer is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = self._make(str(self._folder))
        for entry in result.history[self._num_epochs :]:
            for group in ("loss", "val"):
                for name, value in entry[group].items():
                    self._writer.add_scalar(f"{group}/{name}", value, entry["epoch"])
        self._num_epochs = len(result.history)
        self._writer.flush()

    def end(self, result: TrainResult) -> None:
        """Writes the test metrics, at the best epoch, and closes the file."""
        self.on_epoch(result)
        for name, value in result.test.items():
            self._writer.add_scalar(f"test/{name}", value, result.best_epoch)
        self._writer.close()
