"""Any table that a common program writes comes back as it was, or is refused."""

import csv
import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soil_pyg.datasets.frames import read_table

Rows = list[tuple[str, str, str]]
COLUMNS = ["user", "item", "note"]
TEXT = st.one_of(
    st.text("ab\"\t\n\r,;\\ '", min_size=1, max_size=6),
    st.text(min_size=1, max_size=6),
    st.sampled_from(
        ['"a"', '"a', 'a"', '""', '"a\tb"', '"a\nb"', "007", "1e5", "NA", "nan", "x\n"]
    ),
)
ROWS: st.SearchStrategy[Rows] = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6)


def with_csv(delimiter: str, line_end: str, quoting: int) -> Callable[[Rows, Path], None]:
    def write(rows: Rows, path: Path) -> None:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
            writer.writerows([COLUMNS, *rows])

    return write


def with_pandas(**options: object) -> Callable[[Rows, Path], None]:
    return lambda rows, path: pd.DataFrame(rows, columns=COLUMNS).to_csv(path, **options)


def without_quotes(rows: Rows, path: Path) -> None:
    lines = ["\t".join(row) for row in [COLUMNS, *rows]]
    path.write_bytes(("\n".join(lines) + "\n").encode())


def with_excel(rows: Rows, path: Path) -> None:
    def field(text: str) -> str:
        is_quoted = any(mark in text for mark in ',"\t\n\r')
        return '"' + text.replace('"', '""') + '"' if is_quoted else text

    lines = ["\t".join(map(field, row)) for row in [COLUMNS, *rows]]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode())


def with_r(delimiter: str, escape: str, has_row_names: bool) -> Callable[[Rows, Path], None]:
    def write(rows: Rows, path: Path) -> None:
        def field(text: str) -> str:
            return '"' + text.replace('"', escape) + '"'

        lines = [delimiter.join(map(field, COLUMNS))]
        for i, row in enumerate(rows):
            names = [field(str(i + 1))] if has_row_names else []
            lines.append(delimiter.join([*names, *map(field, row)]))
        path.write_bytes(("\n".join(lines) + "\n").encode())

    return write


def compressed(rows: Rows, path: Path) -> None:
    text = io.StringIO()
    pd.DataFrame(rows, columns=COLUMNS).to_csv(text, index=False)
    path.write_bytes(gzip.compress(text.getvalue().encode()))


def with_json(rows: Rows, path: Path) -> None:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def with_parquet(rows: Rows, path: Path) -> None:
    pd.DataFrame(rows, columns=COLUMNS).to_parquet(path)


WRITERS = {
    "pandas.csv": with_pandas(index=False),
    "pandas index.csv": with_pandas(),
    "pandas.tsv": with_pandas(sep="\t", index=False),
    "pandas all.TSV": with_pandas(sep="\t", index=False, quoting=csv.QUOTE_ALL),
    "pandas.csv.gz": compressed,
    "polars.csv": with_csv(",", "\n", csv.QUOTE_MINIMAL),
    "polars.tsv": with_csv("\t", "\n", csv.QUOTE_MINIMAL),
    "all.inter": with_csv("\t", "\n", csv.QUOTE_ALL),
    "spreadsheet.CSV": with_csv(",", "\r\n", csv.QUOTE_MINIMAL),
    "european.csv": with_csv(";", "\r\n", csv.QUOTE_MINIMAL),
    "spreadsheet.txt": with_excel,
    "spreadsheet.tsv": with_excel,
    "no quotes.tsv": without_quotes,
    "r.csv": with_r(",", '""', False),
    "r.tsv": with_r("\t", '\\"', False),
    "r with row names.tsv": with_r("\t", '\\"', True),
    "r.txt": with_r("\t", '""', False),
    "x.jsonl": with_json,
    "x.parquet": with_parquet,
}


def check(name: str, rows: Rows, columns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if name == "no quotes.tsv":
            # Without quotes, a value holds no line end, and two marks are the sign of quotes.
            wrong = re.compile('[\t\r\n]|""')
            rows = [(wrong.sub("_", u), wrong.sub("_", i), wrong.sub("_", n)) for u, i, n in rows]
        try:
            WRITERS[name](rows, path)
        except (csv.Error, UnicodeEncodeError):
            return
        try:
            table = read_table(path, "x", ["user", "item"], columns[2:])
            table.ids("user")
            table.ids("item")
        except ValueError:
            return
        read = table.frame.astype(object).where(table.frame.notna(), None)
        expected = pd.DataFrame(rows, columns=COLUMNS)[columns]
        # Some formats do not distinguish missing notes from such texts.
        if "note" in columns:
            marker = expected["note"].isin(["NA", "nan", "NaN"]) & read["note"].isna()
            expected["note"] = expected["note"].astype(object).mask(marker, None)
        assert read.to_numpy().tolist() == expected.to_numpy().tolist()


SUBSETS = st.sampled_from([["user", "item"], ["user", "item", "note"]])


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS, columns=SUBSETS)
def test_a_table_comes_back_or_is_refused(name: str, rows: Rows, columns: list[str]) -> None:
    check(name, rows, columns)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=500, deadline=None)
@given(rows=ROWS, columns=SUBSETS)
def test_many_tables_come_back_or_are_refused(name: str, rows: Rows, columns: list[str]) -> None:
    check(name, rows, columns)


PLAIN: Rows = [("ann", "007", "green tea"), ("bob", "NA", "5"), ("ann", "é", "x")]
RICH: Rows = [("ann", "a", 'the "best" tea'), ("bob", "b", "two\nlines"), ("eve", "c", "a,b;c\td")]


@pytest.mark.parametrize("name", WRITERS)
def test_ordinary_tables_come_back(name: str, tmp_path: Path) -> None:
    for rows in (PLAIN, RICH):
        WRITERS[name](rows, tmp_path / name)
        is_read = name != "r with row names.tsv"
        if rows is RICH and name in ("no quotes.tsv", "r.tsv"):
            is_read = False
        if is_read:
            table = read_table(tmp_path / name, "x", ["user", "item"], ["note"])
            assert table.frame.to_numpy().tolist() == [list(row) for row in rows]
        else:
            with pytest.raises(ValueError, match=rf"{name}, line \d: "):
                read_table(tmp_path / name, "x", ["user", "item"], ["note"])
