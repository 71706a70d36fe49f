import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from soil_pyg.ranking.item_index import DESCRIPTION, INDEX
from soil_pyg.runs import checkpoint
from soil_pyg.runs.schema import FORMER_IDS, PAIRS
from soil_pyg.runs.shards import SHARDS
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.tensorboard import FOLDER

OWN_FILES = {
    *(checkpoint.RUN, checkpoint.STATE, *checkpoint.FILES, FORMER_IDS, PAIRS),
    *(INDEX, DESCRIPTION, FOLDER, SHARDS),
}
"""The files and folders in the folder of a run."""


@contextmanager
def run_folder(out: Path, ranks: Ranks) -> Iterator[Path]:
    """Creates the folder of a run, and removes it again if the run writes nothing."""
    out = out.expanduser()
    missing = ranks.first(lambda: _create(out)) or []
    try:
        yield out
    except BaseException:
        _remove_empty(missing)
        raise


def _create(out: Path) -> list[Path]:
    """Creates the folder of a run and returns the folders that were missing."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"'out' must be a folder (got the file '{out}')")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    others = sorted(name for name in names - OWN_FILES if not name.startswith("."))
    if others and not names & {checkpoint.RUN, checkpoint.STATE}:
        raise ValueError(f"'out' must be new, empty or a run (got '{out}', which has {others[0]})")
    missing = [path for path in (out, *out.parents) if not path.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(out))
    except OSError:
        _remove_empty(missing)
        raise
    return missing


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):
        for path in folders:
            path.rmdir()
