"""Reading of tables in any format."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from soil_pyg.datasets.growth import GrowthError
from soil_pyg.datasets.ids import Ids, read_ids
from soil_pyg.datasets.json_lines import read_json_lines
from soil_pyg.datasets.parquet_size import check_parquet_size
from soil_pyg.datasets.separated import DELIMITERS, open_separated
from soil_pyg.datasets.text_files import split_suffix
from soil_pyg.utils.progress import blocks

TableSource: TypeAlias = pd.DataFrame | str | os.PathLike[str]

TABLES = ".csv, .tsv, .txt, .parquet or .jsonl"
"""The usual suffixes of tables, for errors."""
_PARQUET = ".parquet"
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
_DAMAGE = (ValueError, OSError, MemoryError, OverflowError, RecursionError)
_SHOWN = 20


class Table(NamedTuple):
    """A table and the origin of its rows."""

    frame: pd.DataFrame
    where: Callable[[int], str]
    """Returns the origin of a row: file and line, or name and position."""
    is_text: bool
    """Is set if the ids were read as text and have no type."""

    @property
    def source(self) -> str:
        """The file or the name of the table."""
        return self.where(0).rsplit(", ", 1)[0]

    def ids(self, column: str) -> Ids:
        """Reads a column of ids with :func:`~soil_pyg.datasets.ids.read_ids`."""
        return read_ids(self.frame[column], self.where, self.is_text)

    def refuse(self, bad: np.ndarray, message: str) -> None:
        """Raises a :obj:`ValueError` that names the first bad row, if there is any."""
        if bad.any():
            raise ValueError(f"{self.where(int(np.argmax(bad)))}: {message}")

    def refuse_empty(self) -> None:
        """Raises a :obj:`ValueError` if there are no rows."""
        if len(self.frame) == 0:
            raise ValueError(f"{self.source} has no rows")


class ColumnError(ValueError):
    """The error of a column that is missing or occurs twice."""

    def __init__(self, message: str, column: str) -> None:
        super().__init__(message)
        self.column = column


def check_columns(found: Iterable[Any], wanted: Sequence[str], source: str) -> None:
    """Raises :class:`ColumnError` if a wanted column is missing or occurs twice."""
    found = list(found)
    for column in wanted:
        if found.count(column) != 1:
            problem = "occurs twice" if column in found else "is missing"
            raise ColumnError(
                f"{source}: column {column!r} {problem} (got {list_columns(found, column)})", column
            )


def list_columns(found: Sequence[Any], wanted: str) -> str:
    """Returns the first columns of a table in words, for the error that one is missing, and the one
    that only differs by blanks or capital letters.

    Example:
        >>> list_columns(["User", "item"], "user")
        "['User', 'item']; did you mean 'User'?"
    """
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    plain = wanted.strip().casefold()
    near = [name for name in found if str(name).strip().casefold() == plain]
    is_missing = near and wanted not in found
    return f"{found[:_SHOWN]}{more}" + (f"; did you mean {near[0]!r}?" if is_missing else "")


def read_table(
    source: TableSource | Table,
    name: str,
    id_columns: Sequence[str],
    columns: Sequence[str] | None = None,
) -> Table:
    """Reads a table. Values in separated text are read as written; values in JSON keep their types.

    The source is a table that was read, a data frame or a file: separated text as :obj:`.csv`,
    :obj:`.tsv`, :obj:`.inter`, :obj:`.item` or :obj:`.txt`; :obj:`.parquet`; or JSON lines as
    :obj:`.jsonl`, :obj:`.ndjson` or :obj:`.json`. The suffix may be in capitals, and text may be
    compressed as :obj:`.gz`, :obj:`.bz2`, :obj:`.xz` or :obj:`.zst`. Besides the columns of ids,
    all others are read by default.

    Raises :class:`FileNotFoundError` if there is no such file, :class:`ValueError` if it cannot be
    read or a column is missing, and :class:`TypeError` if the source is none of the above;
    :obj:`name` is the argument that holds the table, for the error.
    """
    wanted = None if columns is None else [*id_columns, *columns]
    needed = id_columns if wanted is None else wanted
    if isinstance(source, Table):
        check_columns(source.frame.columns, needed, source.source)
        return source if wanted is None else source._replace(frame=source.frame[wanted])
    if isinstance(source, pd.DataFrame):
        check_columns(source.columns, needed, f"'{name}'")
        frame = source if wanted is None else source[wanted]
        return Table(frame, lambda i: f"'{name}', row {i}", False)
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise TypeError(f"'{name}' must be a pandas.DataFrame or the path of a file (got {kind})")
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"'{name}': there is no file {path}")
    suffix = split_suffix(path)[1]
    if suffix in DELIMITERS:
        return _read_separated(path, suffix, needed, id_columns, wanted)
    if suffix in _JSON_LINES:
        frame, where = read_json_lines(path, id_columns, wanted)
        check_columns(frame.columns, needed, str(path))
        return Table(frame if wanted is None else frame[wanted], where, False)
    if path.suffix.lower() == _PARQUET:
        return Table(_read_parquet(path, wanted, needed), lambda i: f"{path}, row {i}", False)
    raise ValueError(f"'{name}' must be a {TABLES} file (got {path})")


def is_table(path: Path) -> bool:
    """Returns whether :func:`read_table` reads files with the suffix of a path."""
    suffix = split_suffix(path)[1]
    return suffix in (*DELIMITERS, *_JSON_LINES) or path.suffix.lower() == _PARQUET


def _read_separated(
    path: Path,
    suffix: str,
    needed: Sequence[str],
    id_columns: Sequence[str],
    wanted: Sequence[str] | None,
) -> Table:
    text = open_separated(path, suffix, needed, wanted)
    try:
        check_columns(text.names, needed, f"{path}, line 1")
    except ColumnError as error:
        if len(text.names) > 1:
            raise
        marks = " or ".join(repr(delimiter) for delimiter in DELIMITERS[suffix])
        message = f"{error}; the line must name the columns, separated by {marks}"
        raise ColumnError(message, error.column) from None
    frame = text.frame(id_columns)

    def where(row: int) -> str:
        # Errors are rare, and the text may be large.
        return f"{path}, line {open_separated(path, suffix, needed, wanted).line(row + 1)}"

    table = Table(frame if wanted is None else frame[list(wanted)], where, True)
    # Tables that were joined as text repeat it.
    rows = np.arange(len(frame))
    for i, name in enumerate(table.frame.columns):
        rows = rows[table.frame.iloc[rows, i].eq(name).to_numpy(bool)]
    if len(rows):
        raise ValueError(f"{where(int(rows[0]))}: the line repeats the header: drop it")
    return table


def _read_parquet(path: Path, wanted: Sequence[str] | None, needed: Sequence[str]) -> pd.DataFrame:
    try:
        names = pyarrow.parquet.read_schema(path).names
        check_columns(names, needed, str(path))
        # An index without a name is not a column.
        columns = [name for name in names if not _UNNAMED_INDEX.fullmatch(name)]
        check_columns(names, wanted or columns, str(path))
        check_parquet_size(path, wanted or columns)
        with pyarrow.parquet.ParquetFile(path) as file:
            groups = [
                file.read_row_group(block.start, columns=wanted or columns)
                for block in blocks(file.num_row_groups, 1, f"Reading {path.name}")
            ]
            schema = file.schema_arrow.empty_table().select(wanted or columns)
        table = pyarrow.concat_tables([schema, *groups])
        del groups
        # Only this checks the bytes of strings.
        table.validate(full=True)
        # The metadata could turn the id column into an index. A column is freed once it is read.
        frame: pd.DataFrame = table.to_pandas(
            ignore_metadata=True, split_blocks=True, self_destruct=True
        )
        del table
        pyarrow.default_memory_pool().release_unused()
    except (ColumnError, GrowthError):
        raise
    except (pyarrow.ArrowException, *_DAMAGE) as error:
        # An error of the system has a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not a Parquet table: {reason}") from error
    return frame if wanted is None else frame[list(wanted)]
