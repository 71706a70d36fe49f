"""Reading of tables and of their ids, which may have any type."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow.parquet

from soil_pyg.datasets.text_files import check_utf8, read_json_lines

TableSource: TypeAlias = pd.DataFrame | str | os.PathLike[str]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
_JSON_LINES = (".jsonl", ".ndjson", ".json")


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
            raise ColumnError(f"{source}: column {column!r} {problem} (got {found})", column)


class Ids(NamedTuple):
    """Ids as positions in their sorted list."""

    position: np.ndarray
    """One position per value, :obj:`int64`."""
    values: np.ndarray
    """The distinct ids, sorted: :obj:`int64` or strings."""


def read_table(
    source: TableSource, name: str, id_columns: Sequence[str], columns: Sequence[str] | None = None
) -> Table:
    """Reads a table. Ids in text files are read as written; ids in JSON keep their types.

    The source is a data frame or a file: :obj:`.csv`, :obj:`.tsv`, :obj:`.parquet`, or JSON lines
    as :obj:`.jsonl`, :obj:`.ndjson` or :obj:`.json`. Besides the columns of ids, all others are
    read by default. Raises :class:`FileNotFoundError` if there is no such file, and
    :class:`ValueError` if it cannot be read or a column is missing; :obj:`name` is the argument
    that holds the table, for the error.
    """
    wanted = None if columns is None else [*id_columns, *columns]
    if isinstance(source, pd.DataFrame):
        check_columns(source.columns, wanted or id_columns, f"'{name}'")
        frame = source if wanted is None else source[wanted]
        return Table(frame, lambda i: f"'{name}', row {i}", False)
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"'{name}': there is no file {path}")
    if path.suffix == ".parquet":
        return _read_parquet(path, wanted, id_columns)
    if path.suffix in _JSON_LINES:
        lines, where = read_json_lines(path, id_columns, wanted)
        check_columns(lines.column_names, wanted or id_columns, str(path))
        return Table(lines.to_pandas(), where, False)
    if path.suffix in _SEPARATORS:
        return _read_separated(path, wanted, id_columns)
    raise ValueError(f"'{name}' must be a .csv, .tsv, .parquet or .jsonl file (got {path})")


def _read_parquet(path: Path, wanted: list[str] | None, id_columns: Sequence[str]) -> Table:
    try:
        check_columns(pyarrow.parquet.read_schema(path).names, wanted or id_columns, str(path))
        table = pyarrow.parquet.read_table(path, columns=wanted)
        # The metadata could turn the id column into an index.
        frame = table.to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError) as error:
        # An error of the system has a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path} is not a Parquet table: {error}") from error
    return Table(frame, lambda i: f"{path}, row {i}", False)


def _read_separated(path: Path, wanted: list[str] | None, id_columns: Sequence[str]) -> Table:
    separator = _SEPARATORS[path.suffix]
    try:
        header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str).iloc[0].tolist()
        check_columns(header, wanted or id_columns, f"{path}, line 1")
        # "NA" is an id like any other, and blank lines count.
        missing = {c: [""] if c in id_columns else ["", "NA", "NaN", "nan"] for c in header}
        with warnings.catch_warnings():
            # The warning also concerns columns that are not used.
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            # Surplus fields in the first rows would be dropped or become an index.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                index_col=False,
                dtype=dict.fromkeys(id_columns, str),
                keep_default_na=False,
                na_values=missing,
                skip_blank_lines=False,
            )
    except UnicodeDecodeError:
        check_utf8(path)
        raise
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path}, line 2: there are more fields than the {len(header)} columns of line 1; "
            "quote values that contain the separator"
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is not a table whose first line is a header: {error}") from error
    frame = frame if wanted is None else frame[wanted]
    return Table(frame, lambda i: f"{path}, line {i + 2}", True)


def read_ids(values: Any, where: Callable[[int], str], is_text: bool = False) -> Ids:
    """Numbers ids of any type: integers stay integers, all others become strings.

    Ids that were read from text become integers if all of them are written as integers. Raises
    :class:`ValueError` if an id is missing, a floating-point number or a Boolean, or if two ids
    differ only in type; :obj:`where` returns the origin of a value, for the error.
    """
    codes, distinct = pd.factorize(pd.Index(values, tupleize_cols=False))
    if (codes < 0).any():
        row = where(int(np.argmin(codes)))
        raise ValueError(f"{row}: the id is missing; fill it in or drop the row")
    ids = _to_array(np.asarray(distinct), lambda i: where(int(np.argmax(codes == i))), is_text)
    order = np.argsort(ids)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    return Ids(rank[codes], ids[order])


def find_ids(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the positions of ids in a list of distinct known ids, -1 for unknown ones.

    Ids are compared as written: the integer 12 equals the string "12".
    """
    found: np.ndarray = pd.Index(known.astype(str)).get_indexer(pd.Index(ids.astype(str)))
    return found


def _to_array(values: np.ndarray, where: Callable[[int], str], is_text: bool) -> np.ndarray:
    kind = pd.api.types.infer_dtype(values, skipna=False)
    if kind in ("floating", "mixed-integer-float", "boolean", "complex", "decimal"):
        raise ValueError(f"{where(0)}: ids must be integers or strings (got {values[0]})")
    if kind == "integer" and values.max() <= np.iinfo(np.int64).max:
        return values.astype(np.int64)
    texts = values.astype(str)
    if is_text and pd.Series(texts).str.fullmatch(r"0|-?[1-9]\d{0,17}").all():
        return texts.astype(np.int64)
    repeated = pd.Index(texts).duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        raise ValueError(f"{where(row)}: an id of another type is also written '{texts[row]}'")
    return texts
