"""Writes the tables of commands to standard output or to a file, in one of four formats."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from jsonargparse import ArgumentParser
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soil_pyg.utils.files import atomic_path

Format = Literal["table", "csv", "json", "parquet"]
SUFFIXES: dict[str, Format] = {
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".parquet": "parquet",
}
STANDARD_OUTPUT = (None, "-", "/dev/stdout")
PAGE = 1000
"""The number of rows per header in the format :obj:`"table"`."""

Writer = Callable[[pd.DataFrame], None]


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments :obj:`--format` and :obj:`--out`."""
    parser.add_argument(
        "--format",
        type=Format | None,
        help="json writes one object per line (default: by the suffix of --out, or table)",
    )
    parser.add_argument("--out", help="file to write (default: standard output)")


def check(file_format: Format | None, out: str | None) -> Format:
    """Checks the arguments of the output before a command starts its work, and returns the format.

    Raises :class:`ValueError` if the format is unknown or cannot be written there, and
    :class:`FileNotFoundError` if the folder of the file does not exist.
    """
    if out in STANDARD_OUTPUT:
        if file_format == "parquet" and sys.stdout.isatty():
            raise ValueError("'--format parquet' cannot go to a terminal: give '--out'")
        return file_format or "table"
    path = Path(out).expanduser()
    if path.is_dir():
        raise ValueError(f"'--out' must name a file (got the folder '{path}')")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"'--out' must be in an existing folder (got '{path}')")
    if file_format is None and path.suffix not in SUFFIXES:
        raise ValueError(
            f"'--out' without '--format' must end in {', '.join(SUFFIXES)} (got '{path}')"
        )
    return file_format or SUFFIXES[path.suffix]


def write(
    frames: pd.DataFrame | Iterable[pd.DataFrame],
    file_format: Format | None = None,
    out: str | None = None,
) -> None:
    """Writes a table, at once or as at least one block of its rows, to standard output or
    atomically to a file. Raises the errors of :func:`check`, and :class:`OSError` if the file
    cannot be written.
    """
    make_writer = _WRITERS[check(file_format, out)]
    blocks = [frames] if isinstance(frames, pd.DataFrame) else frames
    with _opened(out) as stream, make_writer(stream) as writer:
        for block in blocks:
            writer(block)


@contextmanager
def _opened(out: str | None) -> Iterator[IO[bytes]]:
    if out in STANDARD_OUTPUT:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out).expanduser().resolve()
    if path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced by a file.
        with path.open("wb") as stream:
            yield stream
        return
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        yield stream


@contextmanager
def _table(stream: IO[bytes]) -> Iterator[Writer]:
    # Only a terminal has a width and colours.
    is_terminal = stream.isatty()
    width = None if is_terminal else 2**15

    def write_block(block: pd.DataFrame) -> None:
        console = Console(width=width, highlight=False, force_terminal=is_terminal)
        for start in range(0, max(len(block), 1), PAGE):
            with console.capture() as capture:
                console.print(_rich_table(block.iloc[start : start + PAGE]))
            lines = (line.rstrip() for line in capture.get().splitlines())
            stream.write("".join(f"{line}\n" for line in lines if line).encode())

    yield write_block


def _rich_table(frame: pd.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD)
    columns = []
    for number, name in enumerate(frame.columns):
        values = frame.iloc[:, number]
        is_number = pd.api.types.is_numeric_dtype(values)
        table.add_column(str(name), justify="right" if is_number else "left", overflow="fold")
        columns.append([_cell(value) for value in values])
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table


def _cell(value: Any) -> Text:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return Text("-")
    if isinstance(value, float | np.floating):
        number = float(value)
        return Text(f"{number:.1e}" if 0 < abs(number) < 1e-3 else f"{number:.4f}")
    return Text(str(value))


@contextmanager
def _csv(stream: IO[bytes]) -> Iterator[Writer]:
    is_first = True

    def write_block(block: pd.DataFrame) -> None:
        nonlocal is_first
        text = block.to_csv(index=False, header=is_first, lineterminator="\n")
        stream.write(text.encode())
        is_first = False

    yield write_block


@contextmanager
def _json(stream: IO[bytes]) -> Iterator[Writer]:
    def write_block(block: pd.DataFrame) -> None:
        if len(block) > 0:
            text = block.to_json(
                orient="records", lines=True, force_ascii=False, double_precision=15
            )
            stream.write(text.encode())

    yield write_block


@contextmanager
def _parquet(stream: IO[bytes]) -> Iterator[Writer]:
    writer: pyarrow.parquet.ParquetWriter | None = None

    def write_block(block: pd.DataFrame) -> None:
        nonlocal writer
        table = pyarrow.Table.from_pandas(block, preserve_index=False)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(stream, table.schema)
        writer.write_table(table)

    try:
        yield write_block
    finally:
        if writer is not None:
            writer.close()


_WRITERS = {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet}
