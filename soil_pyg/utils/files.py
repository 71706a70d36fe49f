"""The one way in which files are written and told apart."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.progress import track

BLOCK_BYTES = 2**24
LARGE_BYTES = 2**28
"""Reading a larger file takes long enough to show progress."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside a file, which replaces the file when the block succeeds.

    The content reaches the disk before the name does, so that after a crash the file holds either
    its old content or all of its new content. If the block fails, nothing changes.

    Args:
        path (str or os.PathLike): The file. Its folder must exist.

    Raises:
        OSError: If the file cannot be written; the error names :obj:`path`.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "names.txt")
        >>> with atomic_path(file) as temporary:
        ...     _ = temporary.write_text("tea")
        >>> file.read_text()
        'tea'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        # Some libraries create files that only their owner can read.
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file atomically.

    Args:
        path (str or os.PathLike): The file.
        text (str): The content, encoded as UTF-8.

    Raises:
        OSError: If the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = 1) -> None:
    """Writes a JSON value atomically and creates the folder of the file if necessary.

    Args:
        path (str or os.PathLike): The file.
        value (Any): The value, without NaN and infinity.
        indent (int, optional): The indentation per level. (default: :obj:`1`)

    Raises:
        OSError: If the file cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def file_digest(path: str | os.PathLike[str]) -> str:
    """Returns the hexadecimal SHA-256 digest of a file, read block by block.

    Args:
        path (str or os.PathLike): The file.
    """
    size = os.path.getsize(path)
    state = hashlib.sha256()
    with open(path, "rb") as file:
        for _ in track_blocks(size, BLOCK_BYTES, f"Checking {Path(path).name}", size < LARGE_BYTES):
            state.update(file.read(BLOCK_BYTES))
    return state.hexdigest()


def track_blocks(stop: int, step: int, description: str, disable: bool) -> Any:
    """Iterates over the starts of blocks with a progress bar on the standard error stream.

    Args:
        stop (int): The end of the last block.
        step (int): The size of a block.
        description (str): The text of the bar.
        disable (bool): Whether to show no bar.
    """
    console = Console(stderr=True)
    blocks = range(0, stop, step)
    return track(blocks, description, transient=True, disable=disable, console=console)


def _sync(path: Path) -> None:
    # Windows cannot open a folder.
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
