"""Reading of tables and of their ids, which may be of any type."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow.parquet

TableSource: TypeAlias = pd.DataFrame | str | os.PathLike[str]

SPLIT_LABELS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
"""Labels that a split column may hold, besides 0, 1 and 2."""

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


class Table(NamedTuple):
    """A table and where its rows come from."""

    frame: pd.DataFrame
    where: Callable[[int], str]
    """Says where a row comes from: file and line, or name and position."""
    is_text: bool
    """Whether the ids were read as text, without a type of their own."""

    def refuse(self, bad: np.ndarray, message: str) -> None:
        """Raises a :obj:`ValueError` that names the first row that is bad, if there is one."""
        if bad.any():
            raise ValueError(f"{self.where(int(np.argmax(bad)))}: {message}")


class Ids(NamedTuple):
    """Ids as positions in their sorted list."""

    position: np.ndarray
    """:obj:`int64`, one for each value."""
    values: np.ndarray
    """The distinct ids, sorted: :obj:`int64` or strings."""


def read_table(
    source: TableSource,
    name: str,
    id_columns: Sequence[str],
    columns: Sequence[str] | None = None,
) -> Table:
    """Reads a table; ids in text files are read as they are written.

    Args:
        source (pandas.DataFrame, str or os.PathLike): The table, or a file: :obj:`.csv`,
            :obj:`.tsv` or :obj:`.parquet`.
        name (str): The argument that the table comes from, for errors.
        id_columns (sequence of str): The columns that hold ids.
        columns (sequence of str, optional): Further columns to read. (default: all)

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read or a column is missing.
    """
    wanted = None if columns is None else [*id_columns, *columns]
    if isinstance(source, pd.DataFrame):
        _check_columns(source.columns, [*id_columns, *(columns or ())], f"'{name}'")
        return Table(
            source if wanted is None else source[wanted], lambda i: f"'{name}', row {i}", False
        )
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"'{name}': there is no file {path}")
    try:
        if path.suffix == ".parquet":
            _check_columns(pyarrow.parquet.read_schema(path).names, wanted or id_columns, str(path))
            table = pyarrow.parquet.read_table(path, columns=wanted)
            # The metadata could turn the id column into an index.
            frame = table.to_pandas(ignore_metadata=True)
            return Table(frame, lambda i: f"{path}, row {i}", False)
        if path.suffix not in _SEPARATORS:
            raise ValueError(f"'{name}' must be a .csv, .tsv or .parquet file (got {path})")
        separator = _SEPARATORS[path.suffix]
        header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str).iloc[0].tolist()
        _check_columns(header, wanted or id_columns, f"{path}, line 1")
        # "NA" is an id like any other, and blank lines count.
        missing = {c: [""] if c in id_columns else ["", "NA", "NaN", "nan"] for c in header}
        frame = pd.read_csv(
            path,
            sep=separator,
            usecols=wanted,
            dtype=dict.fromkeys(id_columns, str),
            keep_default_na=False,
            na_values=missing,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pyarrow.ArrowInvalid) as error:
        raise ValueError(f"{path} is not a table: {error}") from error
    return Table(frame, lambda i: f"{path}, line {i + 2}", True)


def read_ids(values: Any, where: Callable[[int], str], is_text: bool = False) -> Ids:
    """Numbers ids of any type: integers stay integers, everything else becomes a string.

    Args:
        values (array_like): The ids.
        where (callable): Says where a value comes from.
        is_text (bool): Whether they were read from text: if all are written as integers are, they
            become integers. (default: :obj:`False`)

    Raises:
        ValueError: If an id is missing, a floating-point number or a truth value, or if two ids
            differ by their types only.
    """
    codes, distinct = pd.factorize(pd.Index(values, tupleize_cols=False))
    if (codes < 0).any():
        raise ValueError(f"{where(int(np.argmin(codes)))}: the id is missing")
    ids = _to_array(np.asarray(distinct), lambda i: where(int(np.argmax(codes == i))), is_text)
    order = np.argsort(ids)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    return Ids(rank[codes], ids[order])


def find_ids(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the positions of ids in a list of known ids, -1 for unknown ones.

    They are compared as they are written: the integer 12 is the string "12".

    Args:
        ids (numpy.ndarray): The ids to find.
        known (numpy.ndarray): The known ids, all different.
    """
    return pd.Index(known.astype(str)).get_indexer(pd.Index(ids.astype(str)))


def read_labels(table: Table, column: str) -> np.ndarray:
    """Reads the labels of a split column as 0, 1 and 2.

    Args:
        table (Table): The table.
        column (str): Its column.

    Raises:
        ValueError: If a label is unknown.
    """
    names = SPLIT_LABELS | {str(label): label for label in range(3)}
    texts = table.frame[column].astype(object).map(str)
    label = texts.map(names).to_numpy(dtype=float)
    unknown = np.isnan(label)
    if unknown.any():
        got = texts.iloc[int(np.argmax(unknown))]
        table.refuse(unknown, f"{column!r} must be one of {', '.join(names)} (got {got!r})")
    return label.astype(np.int64)


def read_times(table: Table, column: str) -> np.ndarray:
    """Reads a column of times as numbers.

    Args:
        table (Table): The table.
        column (str): Its column: numbers, dates or ISO 8601 strings.

    Raises:
        ValueError: If a time is missing or of another form.
    """
    times = table.frame[column]
    table.refuse(times.isna().to_numpy(), f"{column!r} is missing")
    if pd.api.types.is_numeric_dtype(times):
        return times.to_numpy()
    times = pd.to_datetime(times, format="ISO8601", utc=True, errors="coerce")
    table.refuse(times.isna().to_numpy(), f"{column!r} must be a number or an ISO 8601 time")
    return times.astype("int64").to_numpy()


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
        raise ValueError(f"{where(row)}: another id is written '{texts[row]}' too, of another type")
    return texts


def _check_columns(found: Iterable[Any], wanted: Sequence[str], source: str) -> None:
    found = list(found)
    for column in wanted:
        if found.count(column) != 1:
            problem = "occurs twice" if column in found else "is missing"
            raise ValueError(f"{source}: column {column!r} {problem} (got {found})")
