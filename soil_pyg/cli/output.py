"""Writes the tables of commands to standard output or to a file, in one of five formats."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli.text_table import write_table
from soil_pyg.datasets.data_folder import DESCRIPTION
from soil_pyg.datasets.schema import DATA, ENCODERS, ITEMS
from soil_pyg.ranking.item_index import DESCRIPTION as INDEX_DESCRIPTION
from soil_pyg.ranking.item_index import INDEX
from soil_pyg.runs.checkpoint import FILES as RUN_FILES
from soil_pyg.runs.checkpoint import RUN
from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.progress import status

Format = Literal["table", "csv", "json", "jsonl", "parquet"]
SUFFIXES: dict[str, Format] = {
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
}
STANDARD_OUTPUT = (None, "-", "/dev/stdout")


def add_arguments(parser: ArgumentParser, formats: Any = Format) -> None:
    """Adds the arguments :obj:`--format`, one of some literals, and :obj:`--out`."""
    parser.add_argument(
        "--format",
        type=formats | None,
        help="json is one list, jsonl one object per line, as soon as it is known (default: by the "
        "suffix of --out, or table)",
    )
    parser.add_argument("--out", help="file to write (default: standard output)")


def check_arguments(arguments: Namespace) -> Format:
    """Checks the arguments of :func:`add_arguments` as :func:`check` does, and returns the format.

    Raises :class:`ValueError` as well if another argument names the file to write.
    """
    file_format = check(arguments.format, arguments.out)
    if arguments.out not in STANDARD_OUTPUT and Path(arguments.out).expanduser().exists():
        out = Path(arguments.out).expanduser().resolve()
        for name, value in vars(arguments).items():
            if name != "out" and any(path.resolve() == out for path in _paths(value)):
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"'--out' must not be the file of '{flag}' (got '{out}')")
    return file_format


def _paths(value: object) -> Iterator[Path]:
    """Yields what may be paths in the value of an argument, also as in :obj:`NAME=PATH`."""
    if isinstance(value, str | Path):
        yield from (Path(text).expanduser() for text in {str(value), str(value).split("=")[-1]})
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _paths(entry)
    elif isinstance(value, dict):
        yield from _paths(list(value.values()))


def check(file_format: Format | None, out: str | None, flag: str = "--out") -> Format:
    """Checks the arguments of the output before a command starts its work, and returns the format;
    :obj:`flag` is the argument with the file.

    Raises :class:`ValueError` if the format is unknown or cannot be written there, and
    :class:`FileNotFoundError` if the folder of the file does not exist.
    """
    if out in STANDARD_OUTPUT:
        if sys.stdout is None:
            raise ValueError(f"standard output must be open (got a closed one): give '{flag}'")
        if file_format == "parquet" and sys.stdout.isatty():
            raise ValueError(f"'--format parquet' cannot go to a terminal: give '{flag}'")
        return file_format or "table"
    path = Path(out).expanduser()
    if path.is_dir():
        raise ValueError(f"'{flag}' must name a file (got the folder '{path}')")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"'{flag}' must be in an existing folder (got '{path}')")
    if (owner := _owner(path)) is not None:
        raise ValueError(f"'{flag}' must not be a file of the {owner} (got '{path}')")
    if file_format is None and path.suffix not in SUFFIXES:
        raise ValueError(
            f"'{flag}' without '--format' must end in {', '.join(SUFFIXES)} (got '{path}')"
        )
    return file_format or SUFFIXES[path.suffix]


def _owner(path: Path) -> str | None:
    """Returns what a file is a part of: a run, a data folder or nothing."""
    path = path.resolve()
    for owner, record, names in (
        ("run", RUN, {*RUN_FILES, RUN, INDEX, INDEX_DESCRIPTION}),
        ("data folder", DESCRIPTION, {DATA, ITEMS, ENCODERS, DESCRIPTION}),
    ):
        if path.name in names and path.with_name(record).exists():
            return owner
    return None


def write(
    frames: pd.DataFrame | Iterable[pd.DataFrame],
    file_format: Format | None = None,
    out: str | None = None,
) -> None:
    """Writes a table, at once or as at least one block of its rows, to standard output or
    atomically to a file. Raises the errors of :func:`check`, and :class:`OSError` if the file
    cannot be written.
    """
    write_blocks = _WRITERS[check(file_format, out)]
    with _opened(out) as stream:
        write_blocks(stream, [frames] if isinstance(frames, pd.DataFrame) else frames)


def write_text(text: str, out: str | None = None) -> None:
    """Writes a text to standard output or atomically to a file."""
    with _opened(out) as stream:
        stream.write(text.encode())


@contextmanager
def _opened(out: str | None) -> Iterator[IO[bytes]]:
    status.clear()
    if out in STANDARD_OUTPUT:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with atomic_path(Path(out).expanduser()) as temporary, temporary.open("wb") as stream:
        yield stream


def _write_csv(stream: IO[bytes], blocks: Iterable[pd.DataFrame]) -> None:
    for number, block in enumerate(blocks):
        text = block.to_csv(index=False, header=number == 0, lineterminator="\n")
        stream.write(text.encode())


def _write_json(stream: IO[bytes], blocks: Iterable[pd.DataFrame]) -> None:
    before = b"[\n"
    for block in blocks:
        if lines := _json_lines(block):
            stream.write(before + b",\n".join(lines))
            before = b",\n"
    stream.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_json_lines(stream: IO[bytes], blocks: Iterable[pd.DataFrame]) -> None:
    for block in blocks:
        stream.write(b"".join(line + b"\n" for line in _json_lines(block)))
        stream.flush()


def _json_lines(block: pd.DataFrame) -> list[bytes]:
    # The writer of pandas keeps 15 decimals, of small numbers none.
    encoder = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json_value
    )
    names = [str(name) for name in block.columns]
    columns = [_json_cells(block.iloc[:, number]) for number in range(len(names))]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return [encoder.encode(row).encode() for row in rows]


def _json_cells(values: "pd.Series[Any]") -> list[Any]:
    """Returns values with :obj:`None` in place of missing and infinite ones."""
    kept = values.notna()
    if pd.api.types.is_float_dtype(values):
        kept &= np.isfinite(values.fillna(0.0))
    return values.astype(object).where(kept, None).tolist()


def _json_value(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


def _write_parquet(stream: IO[bytes], blocks: Iterable[pd.DataFrame]) -> None:
    writer = None
    with ExitStack() as stack:
        for block in blocks:
            schema = None if writer is None else writer.schema
            table = pyarrow.Table.from_pandas(block, schema, preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(stream, table.schema))
            writer.write_table(table)


_WRITERS = {
    "table": write_table,
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "parquet": _write_parquet,
}
