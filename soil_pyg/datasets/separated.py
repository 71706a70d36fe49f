"""Reading of tables of separated text (CSV, TSV), with or without quoted fields."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as pc
import pyarrow.csv

from soil_pyg.datasets.quotes import Quotes, find_quotes, is_quoted
from soil_pyg.datasets.text_files import line_ends, line_of, read_text

DELIMITERS = {".csv": ",;\t", ".tsv": "\t", ".inter": "\t", ".item": "\t", ".txt": "\t,;"}
"""The possible delimiters per suffix, the usual one first."""
_MISSING = ["NA", "NaN", "nan"]
_BLOCK_BYTES = 1 << 24
_SHOWN = 60
_ESCAPES = (
    r'^".*\\".*"$',
    "quotation marks inside of a quoted field must be doubled, not follow a backslash",
)
_BLANKS_BEFORE_QUOTES = (
    r'^\s+".*"\s*$',
    "a quoted field must begin with the quotation mark: remove the blanks before it",
)


class SeparatedText:
    """A table of separated text whose first record names the columns; values stay as written.

    Only the wanted columns are read, all if they are :obj:`None`. Without :obj:`quotes`, quotation
    marks belong to the values.
    """

    def __init__(
        self,
        path: Path,
        content: bytes,
        delimiter: str,
        quotes: Quotes | None,
        wanted: Collection[str] | None,
    ) -> None:
        self.path, self._content = path, content
        self._delimiter, self.quotes = delimiter, quotes
        ends = (found.span() for found in re.finditer(rb"\r\n|\n|\r", content))
        outside = (span for span in ends if quotes is None or not is_quoted(quotes, span[0]))
        end, self._start = next(outside, (len(content), len(content)))
        header = content[:end].decode()
        self._is_header_quoted = quotes is not None and '"' in header
        self.names = header.split(delimiter)
        if self._is_header_quoted:
            lines = csv.reader(io.StringIO(header, newline=""), delimiter=delimiter)
            try:
                self.names = next(lines)
            except csv.Error as error:
                raise ValueError(f"{path}, line 1: the header cannot be read: {error}") from None
        self._used = [i for i, name in enumerate(self.names) if wanted is None or name in wanted]

    @cached_property
    def table(self) -> pyarrow.Table:
        """The text of the wanted columns, named by their positions. Raises :class:`ValueError` that
        names the line if the number of fields differs from the header.
        """
        self._check_quotes()
        self._check_line_ends()
        keys = [str(i) for i in range(len(self.names))]
        used = [keys[i] for i in self._used]
        if self._start == len(self._content):
            return pyarrow.table([pyarrow.array([], pyarrow.string())] * len(used), used)
        body = pyarrow.py_buffer(memoryview(self._content)[self._start :])
        try:
            return pyarrow.csv.read_csv(
                pyarrow.BufferReader(body),
                # With threads, errors have no row numbers.
                pyarrow.csv.ReadOptions(
                    use_threads=False, column_names=keys, block_size=_BLOCK_BYTES
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter,
                    quote_char=False if self.quotes is None else '"',
                    newlines_in_values=self.quotes is not None,
                    ignore_empty_lines=False,
                ),
                pyarrow.csv.ConvertOptions(
                    include_columns=used,
                    column_types=dict.fromkeys(used, pyarrow.string()),
                    # R quotes all texts but missing ones.
                    null_values=_MISSING if self._is_header_quoted else [],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pyarrow.ArrowInvalid as error:
            raise self._error(str(error)) from None

    def frame(self, id_columns: Collection[str]) -> pd.DataFrame:
        """Returns the wanted columns as text. Empty values are missing; so are :obj:`NA` and
        :obj:`NaN` in columns without ids if the header is not quoted.
        """
        columns = []
        for i, column in zip(self._used, self.table.columns, strict=True):
            if self.quotes is None and b'\\"' in self._content:
                self._refuse(column, *_ESCAPES)
            if self.names[i] in id_columns:
                # Such a field is not quoted, so that it would be another id.
                self._refuse(column, *_BLANKS_BEFORE_QUOTES)
            has_markers = self.names[i] not in id_columns and not self._is_header_quoted
            markers = pyarrow.array(["", *_MISSING] if has_markers else [""])
            null = pyarrow.scalar(None, column.type)
            columns.append(pc.if_else(pc.is_in(column, markers), null, column))
        frame: pd.DataFrame = pyarrow.table(columns, self.table.column_names).to_pandas()
        frame.columns = pd.Index([self.names[i] for i in self._used], dtype=object)
        return frame

    def line(self, record: int) -> int:
        """Returns the number of the line at which a record begins; the header is record 0."""
        is_end = np.ones(len(ends := line_ends(self._content)), dtype=bool)
        if self.quotes is not None:
            is_end = ~is_quoted(self.quotes, ends)
        before = np.flatnonzero(is_end)[:record]
        return int(before[-1]) + 2 if len(before) else 1

    def first_long_line(self) -> int:
        """Returns the number of the line at which the first field with a line end begins."""
        assert self.quotes is not None
        return line_of(self._content, int(self.quotes.spans[0, 0]))

    def _check_quotes(self) -> None:
        if self.quotes is not None and self.quotes.fault is not None:
            raise ValueError(
                f"{self.path}, line {line_of(self._content, self.quotes.fault)}: a field that "
                f"begins with a quotation mark must end with one; quote the whole field, and "
                f"double the quotation marks inside"
            )

    def _refuse(self, column: pyarrow.ChunkedArray, pattern: str, message: str) -> None:
        is_wrong = pc.match_substring_regex(column, pattern).to_numpy()
        if is_wrong.any():
            line = self.line(int(np.argmax(is_wrong)) + 1)
            raise ValueError(f"{self.path}, line {line}: {message}")

    def _check_line_ends(self) -> None:
        content = self._content
        if b"\r" not in content:
            return
        ends = line_ends(content)
        if self.quotes is not None:
            ends = ends[~is_quoted(self.quotes, ends)]
        values = np.frombuffer(content, dtype=np.uint8)
        is_pair = (values[ends] == ord("\n")) & (values[ends - 1] == ord("\r"))
        kind = np.where(is_pair, 0, values[ends])
        if (kind != kind[:1]).any():
            line = line_of(content, int(ends[np.argmax(kind != kind[0])]))
            raise ValueError(
                f"{self.path}, line {line}: it must end with the same character as line 1; quote "
                f"values that hold a carriage return, or save the file with equal line ends"
            )

    def _error(self, message: str) -> ValueError:
        found = re.search(r"Row #(\d+): Expected (\d+) .*?, got (\d+): (.*)", message, re.DOTALL)
        if found is None:
            return ValueError(f"{self.path} is not a table: {message}")
        row, expected, got, text = found.groups()
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        return ValueError(
            f"{self.path}, line {self.line(int(row))}: there must be {expected} fields between "
            f"{self._delimiter!r}, as in the header (got {got} in {shown!r})"
        )


def open_separated(
    path: Path, suffix: str, needed: Collection[str], wanted: Collection[str] | None
) -> SeparatedText:
    """Opens a table of separated text with the delimiter and the quoting that it is written in.

    The delimiter is the first that finds the needed columns in the header. Fields between tabs may
    be quoted or not. If both readings have a field per column in all rows but differ in the wanted
    columns, doubled quotation marks inside of quoted fields decide for quoting. Raises
    :class:`ValueError` that names the line if nothing decides.
    """
    content = read_text(path)
    line_end = re.search(rb"\r\n|\n|\r", content)
    content = content.rstrip(line_end[0]) if line_end else content
    if not content:
        raise ValueError(f"{path} is empty: its first line must name the columns")
    first = None
    for delimiter in DELIMITERS[suffix]:
        readings = [
            SeparatedText(path, content, delimiter, quotes, wanted)
            for quotes in _possible_quotes(content, delimiter)
        ]
        found = [reading for reading in readings if set(needed) <= set(reading.names)]
        if found:
            return found[0] if len(found) == 1 else _decide(*found)
        first = first or readings[0]
    assert first is not None
    return first


def _possible_quotes(content: bytes, delimiter: str) -> Iterator[Quotes | None]:
    if delimiter == "\t":
        yield None
        if b'"' not in content:
            return
    quotes = find_quotes(content, delimiter)
    if delimiter != "\t" or quotes.is_strict:
        yield quotes


def _decide(plain: SeparatedText, quoted: SeparatedText) -> SeparatedText:
    readings, errors = [], []
    for reading in (plain, quoted):
        try:
            readings.append((reading, reading.table))
        except ValueError as error:
            errors.append(error)
    if not readings:
        raise errors[0]
    if errors:
        return readings[0][0]
    first, second = plain.table, quoted.table
    is_long = first.num_rows == second.num_rows
    if is_long and plain.names == quoted.names and first.equals(second):
        return plain
    assert quoted.quotes is not None
    if is_long and quoted.quotes.has_doubled:
        return quoted
    raise ValueError(
        f"{plain.path}, line {_first_difference(plain, quoted)}: the quotation marks may enclose a "
        f"field or belong to it; save the table as .csv, where they enclose, or remove them"
    )


def _first_difference(plain: SeparatedText, quoted: SeparatedText) -> int:
    first, second = plain.table, quoted.table
    if first.num_rows != second.num_rows:
        return quoted.first_long_line()
    if plain.names != quoted.names:
        return 1
    differs = first.to_pandas().fillna("").ne(second.to_pandas().fillna("")).any(axis=1)
    return plain.line(int(np.argmax(differs)) + 1)
