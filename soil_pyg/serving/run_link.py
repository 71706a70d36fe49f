import gc
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from soil_pyg.ops.ragged import trim_heap
from soil_pyg.runs.checkpoint import RUN
from soil_pyg.serving.served_run import ServedRun

logger = logging.getLogger("soil_pyg")

RETRY_SECONDS = 30.0
"""The time after which a run that could not be loaded is tried again."""


class RunLink:
    """The run in a folder, or behind a symbolic link, which is loaded again when another takes its
    place. Requests keep the run that they began with.

    Args:
        path (str or os.PathLike): The folder or the link.
        load (callable): Loads the run of a folder.

    Raises:
        FileNotFoundError: If the folder or one of its files does not exist.
        ValueError: If the run cannot be loaded.
    """

    def __init__(self, path: str | os.PathLike[str], load: Callable[[Path], ServedRun]) -> None:
        self._path, self._load = Path(path), load
        self._state, self._tried = self._look(), 0.0
        self.current = load(Path(os.path.realpath(path)))
        self.num_loads = 1
        self.error = ""
        """The reason why the run that is there now could not be loaded."""

    def refresh(self) -> bool:
        """Loads the run if it is another one than before, and returns whether it is served. If it
        cannot be loaded, the old one stays.
        """
        state, now = self._look(), time.monotonic()
        is_new = state is not None and state != self._state
        if not is_new and not (self.error and now - self._tried >= RETRY_SECONDS):
            return False
        self._state, self._tried = state, now
        try:
            self.current = self._load(Path(os.path.realpath(self._path)))
        except Exception as error:
            # Whatever is wrong with the new run must not end the service of the old one.
            self.error = str(error)
            logger.warning("the old run is served, as the new one cannot be loaded: %s", error)
            return False
        self.error = ""
        self.num_loads += 1
        gc.collect()
        trim_heap()
        return True

    def _look(self) -> tuple[str, int, int] | None:
        # The record of a run is written last; while a run is replaced, there is none.
        path = os.path.realpath(self._path)
        try:
            found = os.stat(os.path.join(path, RUN))
        except OSError:
            return None
        return path, found.st_ino, found.st_mtime_ns
