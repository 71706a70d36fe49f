"""Reading of text files: compression, encoding and lines."""

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from soil_pyg.datasets.growth import check_growth

_BLOCK_BYTES = 2**24
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def split_suffix(path: Path) -> tuple[str, str]:
    """Returns the name of a file without its suffixes, and the suffix in lower case; that of a
    compression does not count.

    Example:
        >>> split_suffix(Path("shop/Clicks.CSV.gz"))
        ('Clicks', '.csv')
    """
    inner = Path(path.stem) if path.suffix.lower() in _DECOMPRESS else path
    return inner.stem, inner.suffix.lower()


def read_text(path: Path) -> bytes:
    """Returns the decompressed content of a UTF-8 file without its byte order mark.

    Raises :class:`ValueError` that names the line if the file has another encoding, and the file if
    it cannot be decompressed or grows by more than a table can.
    """
    decompress = _DECOMPRESS.get(path.suffix.lower())
    try:
        content = path.read_bytes() if decompress is None else _join(decompress(path), path)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        # An error of the system has a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path} cannot be decompressed: {error}") from error
    for mark, encoding in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise ValueError(f"{path} is encoded in {encoding}; save the file as UTF-8")
    _check_utf8(content, path)
    return content.removeprefix(codecs.BOM_UTF8)


def _read_blocks(path: Path, open_file: Callable[[Path], Any]) -> Iterator[bytes]:
    with open_file(path) as file:
        while part := file.read(_BLOCK_BYTES):
            yield part


def _read_streams(path: Path, make: Callable[[], Any], padding: bytes = b"") -> Iterator[bytes]:
    """Yields the content of one stream after the other. Python's own readers end without an error
    at a later stream that is damaged.
    """
    with path.open("rb") as file:
        data = b""
        while True:
            stream = make()
            while not stream.eof:
                if stream.needs_input and not (data := data or file.read(_BLOCK_BYTES)):
                    raise EOFError("it ends within a stream")
                yield stream.decompress(data, _BLOCK_BYTES)
                data = b""
            data = stream.unused_data.lstrip(padding)
            while not data:
                block = file.read(_BLOCK_BYTES)
                if not block:
                    return
                data = block.lstrip(padding)


_DECOMPRESS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    ".gz": partial(_read_blocks, open_file=gzip.open),
    ".bz2": partial(_read_streams, make=bz2.BZ2Decompressor),
    ".xz": partial(_read_streams, make=lzma.LZMADecompressor, padding=b"\0"),
    ".zst": partial(_read_blocks, open_file=partial(pyarrow.input_stream, compression="zstd")),
}


def _join(blocks: Iterator[bytes], path: Path) -> bytes:
    parts, size = [], 0
    for part in blocks:
        parts.append(part)
        size += len(part)
        check_growth(path, size, "it is no table, or decompress it first")
    return b"".join(parts)


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file; raises the errors of :func:`read_text`."""
    return [line.decode() for line in read_text(path).splitlines()]


def line_ends(content: bytes) -> np.ndarray:
    r"""Returns the offsets of the characters that end lines: ``\n``, or ``\r`` where no ``\n``
    follows.
    """
    values = np.frombuffer(content, dtype=np.uint8)
    is_end = values == ord("\n")
    if b"\r" in content:
        is_return = values == ord("\r")
        is_return[:-1] &= values[1:] != ord("\n")
        is_end |= is_return
    return np.flatnonzero(is_end)


def line_of(content: bytes, offset: int) -> int:
    """Returns the number of the line that holds a byte."""
    return int(np.searchsorted(line_ends(content), offset)) + 1


def _check_utf8(content: bytes, path: Path) -> None:
    try:
        content.decode()
        wrong = content.find(b"\0")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        start = max(content.rfind(end, 0, wrong) for end in (b"\n", b"\r")) + 1
        reason = "is not UTF-8 text; save the file with this encoding"
        if content[wrong] == 0:
            reason = "is NUL: the file is damaged or no text, or UTF-16, to be saved as UTF-8"
        raise ValueError(
            f"{path}, line {line_of(content, wrong)}: byte {wrong - start + 1} "
            f"(0x{content[wrong]:02x}) {reason}"
        )
