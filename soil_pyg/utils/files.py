"""Atomic writers of files and folders, and digests of their content."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from soil_pyg.utils.progress import blocks
from soil_pyg.utils.workplace import moved_away, remove_debris, sync, sync_folder, workplace

BLOCK_BYTES = 2**24
"""The bytes of a file that are held in memory while its digest is computed."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside a file, which replaces the file when the block succeeds.

    The content reaches the disk before the name does, so that after a crash the file holds either
    its old content or all of its new content. If the block fails, nothing changes. The folder of
    the file must exist. A link keeps pointing to the file, and a device or a pipe is written to as
    it is. Raises :class:`OSError` that names :obj:`path` if it cannot be written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "names.txt")
        >>> with atomic_path(file) as temporary:
        ...     _ = temporary.write_text("tea")
        >>> file.read_text()
        'tea'
    """
    path, target = Path(path), Path(os.path.realpath(path))
    if target.exists() and not (target.is_file() or target.is_dir()):
        yield target
        return
    remove_debris(target.parent, target.name)
    with _naming(path, target), workplace(target) as folder:
        temporary = folder / target.name
        # Some libraries create files that only their owner can read.
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        sync(temporary)
        sync_folder(folder)
        os.replace(temporary, target)
        sync_folder(target.parent)


@contextmanager
def atomic_folder(
    path: str | os.PathLike[str], check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Yields an empty temporary folder, which moves to its path when the block succeeds.

    Missing parents are created, and an existing folder is replaced. If the block fails, nothing
    changes. The check raises an error if the path must not be replaced; it is called before the
    block and again before the move. Raises :class:`OSError` that names :obj:`path` if the folder
    cannot be written.
    """
    path = Path(os.path.realpath(path))
    remove_debris(path.parent, path.name)
    check()
    created = [parent for parent in path.parents if not parent.exists()]
    try:
        if created:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _naming(path, path), workplace(path) as temporary:
            yield temporary
            for entry in [*temporary.rglob("*"), temporary]:
                (sync_folder if entry.is_dir() else sync)(entry)
            check()
            with moved_away(path, temporary.with_suffix(".old")):
                _replace(temporary, path)
                for parent in [path.parent, *(parent.parent for parent in created)]:
                    sync_folder(parent)
    except BaseException:
        with suppress(OSError):
            for parent in created:
                parent.rmdir()
        raise


def _replace(folder: Path, path: Path) -> None:
    try:
        os.replace(folder, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        reason = "Another process has written it meanwhile; repeat the command"
        raise FileExistsError(error.errno, reason, str(path)) from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = 1) -> None:
    """Writes a JSON value without NaN and infinity atomically, and creates the folder of the file
    if necessary.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # The names of files may hold bytes that are no UTF-8; JSON holds them as escapes.
    write_text(path, text.encode("utf-8", "backslashreplace").decode() + "\n")


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file, a link or a whole folder; a missing one is fine."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def bytes_digest(content: Iterable[bytes | memoryview]) -> str:
    """Returns the hexadecimal SHA-256 digest of content that comes block by block; where blocks are
    cut does not matter.
    """
    state = hashlib.sha256()
    for block in content:
        state.update(block)
    return state.hexdigest()


def digest_of(value: Any) -> str:
    """Returns the hexadecimal SHA-256 digest of a JSON value, whatever the order of its keys, and
    whether its numbers are NumPy's or Python's.
    """
    return bytes_digest([json.dumps(value, sort_keys=True, default=_plain).encode()])


def _plain(value: Any) -> Any:
    if not hasattr(value, "item"):
        raise TypeError(f"{type(value).__name__} is no JSON value")
    return value.item()


def file_digest(path: str | os.PathLike[str]) -> str:
    """Returns the hexadecimal SHA-256 digest of a file, read block by block."""
    return bytes_digest(file_blocks(path))


def file_blocks(
    path: str | os.PathLike[str], begin: int = 0, end: int | None = None
) -> Iterator[bytes]:
    """Yields the bytes of a file from :obj:`begin` to :obj:`end`, by default all, in blocks."""
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size if end is None else end
        file.seek(begin)
        for block in blocks(end - begin, BLOCK_BYTES, f"Checking {Path(path).name}"):
            yield file.read(block.stop - block.start)


def user_cache() -> Path:
    """Returns the folder of this package in the user's cache, by the XDG standard."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "soil_pyg"


@contextmanager
def _naming(path: Path, target: Path) -> Iterator[None]:
    """Makes errors about a place beside the target name the path that was asked for."""
    try:
        yield
    except OSError as error:
        beside = str(target.with_name(f".{target.name}."))
        if error.errno is None or not str(error.filename or beside).startswith(beside):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
