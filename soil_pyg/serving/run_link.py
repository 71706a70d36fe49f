import gc
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from soil_pyg.ops.ragged import trim_heap
from soil_pyg.runs.checkpoint import RUN
from soil_pyg.serving.item_files import ItemFiles
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.serving.watched import Watched

logger = logging.getLogger("soil_pyg")


class RunLink:
    """The run in a folder, or behind a symbolic link, which is loaded again when another takes its
    place. Requests keep the run that they began with.

    Args:
        path (str or os.PathLike): The folder or the link.
        load (callable): Loads the run of a folder.
        files (ItemFiles, optional): The files of the items that may be recommended, which are read
            again when they change. (default: none)

    Raises:
        FileNotFoundError: If a folder or a file does not exist.
        ValueError: If the run cannot be loaded, or a file cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        load: Callable[[Path], ServedRun],
        files: ItemFiles | None = None,
    ) -> None:
        self._path, self._load, self._files = Path(path), load, files or ItemFiles()
        self._served: str | None = None
        self._in_force: dict[str, np.ndarray] | None = None
        self._refused = ""
        # Before the run, which takes longer.
        self._lists = Watched("list of items", self._files.look, self._files.read)
        self._run = Watched("run", self._look, self._load_run)
        self.num_loads = 1

    @property
    def current(self) -> ServedRun:
        """The run that is served."""
        return self._run.current

    @property
    def error(self) -> str:
        """The reason why the run or the files that are there now could not be loaded."""
        return self._run.error or self._lists.error or self._refused

    def refresh(self) -> bool:
        """Loads the run and the files that are others than before, and returns whether another run
        is served. What cannot be loaded stays as it was.
        """
        is_other_list = self._lists.refresh()
        # A run that did not fit the list before may fit this one.
        is_new = self._run.refresh(again=is_other_list)
        if is_other_list and not is_new:
            try:
                self._offer(self.current)
            except ValueError as error:
                self._refuse(error)
        if is_new:
            self.num_loads += 1
            gc.collect()
            trim_heap()
        return is_new

    def _load_run(self) -> ServedRun:
        path = os.path.realpath(self._path)
        run = self._load(Path(path))
        try:
            self._offer(run)
        except ValueError as error:
            if self._in_force is None or self._in_force is self._lists.current:
                raise
            run.offer(self._in_force)
            self._refuse(error)
        self._served = path
        return run

    def _offer(self, run: ServedRun) -> None:
        """Tells a run the items of the files, or raises :class:`ValueError` if they do not fit."""
        if ids := self._lists.current:
            run.offer(ids)
        self._in_force, self._refused = ids, ""

    def _refuse(self, error: ValueError) -> None:
        self._refused = str(error)
        logger.warning("the old list of items stays, as the new one cannot be used: %s", error)

    def _look(self) -> tuple[str, int, int] | None:
        # The record of a run is written last; while a run is replaced, there is none.
        path = os.path.realpath(self._path)
        try:
            found = os.stat(os.path.join(path, RUN))
        except OSError:
            # Another folder without a run is a mistake, which loading names.
            return None if path == self._served else (path, 0, 0)
        return path, found.st_ino, found.st_mtime_ns
