"""Errors of text files that cannot be read, and tables of JSON lines."""

import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.json

_JSON_BLOCK = 1 << 24


def check_utf8(path: Path) -> None:
    """Refuses a file that is not UTF-8; the error names the line and the byte."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) "
                    f"is not UTF-8; save the file with this encoding"
                ) from None


def read_json_lines(
    path: Path, id_columns: Sequence[str], columns: Sequence[str] | None
) -> tuple[pyarrow.Table, Callable[[int], str]]:
    """Reads a table of JSON objects, one per line; ids keep their types.

    Returns the table of the columns, all if they are :obj:`None`, and a function that returns the
    origin of a row. Raises :class:`ValueError` if the file cannot be read.
    """
    try:
        table = _parse(path, {})
        # Ids that look like dates would become dates.
        texts = {
            name: pyarrow.string()
            for name in id_columns
            if name in table.column_names and pyarrow.types.is_timestamp(table[name].type)
        }
        table = _parse(path, texts) if texts else table
    except pyarrow.ArrowException as error:
        check_utf8(path)
        _check_objects(path)
        raise ValueError(f"{path} is not a table: {error}") from error
    if columns is not None:
        table = table.select([name for name in table.column_names if name in columns])
    return table, lambda i: f"{path}, line {_line_of_row(path, i)}"


def _parse(path: Path, types: dict[str, pyarrow.DataType]) -> pyarrow.Table:
    table = pyarrow.json.read_json(
        path,
        pyarrow.json.ReadOptions(block_size=_JSON_BLOCK),
        pyarrow.json.ParseOptions(explicit_schema=pyarrow.schema(types) if types else None),
    )
    # Only this checks the bytes of strings.
    table.validate(full=True)
    return table


def _check_objects(path: Path) -> None:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            try:
                is_object = not line.strip() or isinstance(json.loads(line), dict)
            except ValueError:
                is_object = False
            if not is_object:
                raise ValueError(f"{path}, line {number}: there must be one JSON object per line")


def _line_of_row(path: Path, row: int) -> int:
    with open(path, "rb") as file:
        lines = (number for number, line in enumerate(file, start=1) if line.strip())
        return next(islice(lines, row, None), row + 1)
