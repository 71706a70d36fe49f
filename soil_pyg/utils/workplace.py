"""Temporary places to write in before a rename, and their removal after a kill.

A process locks the folder that it writes in. A folder that can be locked belongs to a process that
has ended.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from soil_pyg.utils.signals import signals_held

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind.
    fcntl = None  # type: ignore[assignment]


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Yields a new empty folder beside the target, locked as long as its process writes to it."""
    folder, lock = target, None
    try:
        with signals_held():
            folder, lock = _make(target)
        yield folder
    finally:
        # A folder that has moved to its target is gone from here.
        if folder is not target:
            _clear(folder)
            _unlock(lock)


def _make(target: Path) -> tuple[Path, int | None]:
    while True:
        folder = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
        folder.mkdir()
        try:
            lock = _lock(folder)
        except BlockingIOError:
            # Another process takes it for debris, as it was not locked at once.
            continue
        if folder.exists():
            return folder, lock
        _unlock(lock)


def _clear(folder: Path) -> None:
    # A signal between two files would leave the rest.
    with signals_held():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def moved_away(path: Path, old: Path) -> Iterator[None]:
    """Moves a path away, removes it when the block succeeds, and restores it if the block fails."""
    lock = None
    with suppress(BlockingIOError):
        lock = _lock(path)
    try:
        if path.exists():
            os.replace(path, old)
            sync_folder(path.parent)
        yield
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        # Another process may have written the path meanwhile.
        _clear(old)
        _unlock(lock)


def remove_debris(folder: str | os.PathLike[str], name: str | None = None) -> None:
    """Removes the temporary entries that killed processes have left in a folder: those of the
    target with a name, by default of all targets.

    A folder that such a process had moved away, but not replaced, is put back. Entries of a running
    process are locked and stay. Where the system has no locks for folders, all entries stay.
    """
    written = ".+" if name is None else re.escape(name)
    pattern = re.compile(rf"\.({written})\.[0-9a-f]{{32}}\.(tmp|old)", re.DOTALL)
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError:
        return
    for entry in entries:
        found = pattern.fullmatch(entry.name)
        if found is None:
            continue
        with suppress(OSError):
            if (lock := _lock(entry)) is None:
                continue
            target = entry.with_name(found[1])
            if found[2] == "old" and not target.exists():
                os.replace(entry, target)
            else:
                _clear(entry)
            _unlock(lock)


def sync(path: Path, flags: int = os.O_RDWR) -> None:
    """Waits until the content of a file is on the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can sync folders."""
    with suppress(OSError):
        sync(path, os.O_RDONLY)


def _lock(folder: Path) -> int | None:
    """Returns a descriptor that locks a folder, :obj:`None` if it cannot be locked; raises
    :class:`BlockingIOError` if another process has locked it.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


@contextmanager
def locked(file: IO[bytes]) -> Iterator[None]:
    """Holds the lock of an open file, so that other processes wait for it. Does nothing where the
    system has no such locks.
    """
    with suppress(OSError, AttributeError):
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
    yield


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
