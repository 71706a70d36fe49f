import gc
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from soil_pyg.ops.ragged import trim_heap
from soil_pyg.runs.checkpoint import RUN
from soil_pyg.serving.item_files import ItemFiles
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.serving.watched import Watched


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
        self._run: Watched[ServedRun] | None = None
        # Before the run, which takes longer.
        self._lists = Watched("list of items", self._files.look, self._read_files)
        self._run = Watched("run", self._look, self._load_run)
        self.num_loads = 1

    @property
    def current(self) -> ServedRun:
        """The run that is served."""
        assert self._run is not None
        return self._run.current

    @property
    def error(self) -> str:
        """The reason why the run or the files that are there now could not be loaded."""
        assert self._run is not None
        return self._run.error or self._lists.error

    def refresh(self) -> bool:
        """Loads the run and the files that are others than before, and returns whether another run
        is served. What cannot be loaded stays as it was.
        """
        assert self._run is not None
        self._lists.refresh()
        is_new = self._run.refresh()
        if is_new:
            self.num_loads += 1
            gc.collect()
            trim_heap()
        return is_new

    def _read_files(self) -> dict[str, np.ndarray]:
        ids = self._files.read()
        if self._run is not None:
            self.current.offer(ids)
        return ids

    def _load_run(self) -> ServedRun:
        run = self._load(Path(os.path.realpath(self._path)))
        if self._lists.current:
            run.offer(self._lists.current)
        return run

    def _look(self) -> tuple[str, int, int] | None:
        # The record of a run is written last; while a run is replaced, there is none.
        path = os.path.realpath(self._path)
        try:
            found = os.stat(os.path.join(path, RUN))
        except OSError:
            return None
        return path, found.st_ino, found.st_mtime_ns
