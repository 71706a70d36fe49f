"""Wrong files: one line per content, read through every command that reads such files."""

import io
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from harness import WRONG, Case

Content = bytes | str | pd.DataFrame | np.ndarray

NO_TABLE: dict[str, Mapping[str, Content]] = {
    "csv": {
        "an empty file": "",
        "a blank line alone": "\n",
        "no header": "a,b\nc,d\n",
        "a row that is too long": "user,item\na,b\na,b,c\n",
        "a name twice": "user,item,item\na,b,c\n",
        "an open quote": 'user,item\n"a,b\n',
        "a null byte": b"user,item\na,\0b\n",
        "not UTF-8": b"user,item\na,caf\xe9\n",
        "UTF-16": "user,item\na,b\n".encode("utf-16"),
        "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "a missing id": "user,item\na,b\n,c\n",
        "a missing item": "user,item\na,\nb,c\n",
        "a title line": "exported\nuser,item\na,b\n",
        "a second header": "user,item\na,b\nuser,item\nc,d\n",
        "blanks before quotes": 'user,item\na,b\nc, "d"\n',
        "an id that was shortened": "user,item\na,b\n1.2E+15,3.4E+15\n",
    },
    "tsv": {
        "an empty file": "",
        "commas": "user,item\na,b\n",
        "a row that is too long": "user\titem\na\tb\na\tb\tc\n",
        "a name twice": "user\titem\titem\na\tb\tc\n",
        "a missing id": "user\titem\na\tb\n\tc\n",
        "not UTF-8": b"user\titem\na\tcaf\xe9\n",
    },
    "jsonl": {
        "an empty file": "",
        "half an object": '{"user": "a", "item": "b"}\n{"user": "a"\n',
        "a list": '["a", "b"]\n',
        "a list of objects": '[\n {"user": "a", "item": "b"}\n]\n',
        "a text": '"a"\n',
        "a number": "3\n",
        "no JSON": "user,item\na,b\n",
        "an id that is null": '{"user": "a", "item": null}\n',
        "a key that is missing": '{"user": "a", "item": "b"}\n{"user": "a"}\n',
        "an id that is a list": '{"user": "a", "item": ["b"]}\n',
        "an id that is an object": '{"user": "a", "item": {"id": "b"}}\n',
        "an id that is true": '{"user": "a", "item": true}\n',
        "an id that is a fraction": '{"user": "a", "item": 1.5}\n',
        "NaN": '{"user": "a", "item": NaN}\n',
        "not UTF-8": b'{"user": "a", "item": "caf\xe9"}\n',
        "deep nesting": '{"user": ' + "[" * 100_000 + "]" * 100_000 + ', "item": "b"}\n',
    },
    "parquet": {
        "an empty file": "",
        "no Parquet": "user,item\na,b\n",
        "a damaged end": b"PAR1" + bytes(50) + b"PAR1",
        "no rows": pd.DataFrame({"user": pd.Series([], dtype=str), "item": []}),
        "other columns": pd.DataFrame({"a": [1]}),
        "an id that is null": pd.DataFrame({"user": ["a", "b"], "item": ["c", None]}),
        "ids that are lists": pd.DataFrame({"user": ["a"], "item": [["b"]]}),
        "ids that are true": pd.DataFrame({"user": ["a"], "item": [True]}),
        "ids that are fractions": pd.DataFrame({"user": ["a"], "item": [1.5]}),
        "ids that are NaN": pd.DataFrame({"user": ["a"], "item": [float("nan")]}),
        "ids that are bytes": pd.DataFrame({"user": ["a"], "item": [b"\xff"]}),
    },
}
"""Files that are no table with the columns user and item."""

READERS = {
    "soil-pyg prepare {} --out NEW": (),
    "soil-pyg prepare p.csv --out NEW --items {}": ("a missing id",),
    "soil-pyg prepare p.csv --out NEW --features visual={}": ("a missing id",),
    "soil-pyg prepare p.csv --out NEW --features visual=visual.npy --item-ids {}": (
        "a missing id",
    ),
    "soil-pyg recommend RUN --users new --new-users {}": (),
    "soil-pyg recommend RUN --users u1 --new-items text=new_text.parquet visual={}": (
        "a missing id",
    ),
    "soil-pyg recommend RUN --users-file {}": ("a missing item",),
    "soil-pyg similar RUN --items-file {}": ("a missing id",),
}
"""Commands that read a table, and the contents that are right for them: a command that reads one
of the columns does not look at the other.
"""

COLUMNS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "--rating-column x --min-rating 3": (
        "x",
        {"a word": "many", "a comma": "3,5", "true": "true", "a date": "2020-01-01"},
    ),
    "--split last --time-column x": (
        "x",
        {"a word": "soon", "an empty cell": "", "no such day": "2020-02-31", "NaN": "nan"},
    ),
    "--split-column x": (
        "x",
        {"an unknown split": "dev", "an empty cell": "", "capitals": "TRAIN"},
    ),
}
"""Cells of a column that are wrong for a flag."""

NUMBERS: Mapping[str, Content] = {
    "one dimension": np.ones(16),
    "three dimensions": np.ones((16, 2, 2)),
    "texts": np.full((16, 2), "a"),
    "complex numbers": np.full((16, 2), 1j),
    "too few rows": np.ones((3, 2)),
    "too many rows": np.ones((17, 2)),
    "no columns": np.ones((16, 0)),
    "NaN": np.full((16, 2), np.nan),
    "infinity": np.full((16, 2), np.inf),
    "objects": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (16, 2), }"
    + b" " * 58
    + b"\n",
    "no array": "no array",
    "an empty file": "",
    "half an array": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'",
    "times": np.full((16, 2), np.datetime64("2020-01-01")),
}
"""Matrices that are no features of 16 items."""

VECTORS: Mapping[str, list[Any]] = {
    "lengths that differ": [[1.0, 2.0], [1.0]],
    "NaN in a vector": [[1.0, float("nan")], [1.0, 2.0]],
    "infinity in a vector": [[1.0, float("inf")], [1.0, 2.0]],
    "null in a vector": [[1.0, None], [1.0, 2.0]],
    "texts in a vector": [["a", "b"], ["c", "d"]],
    "texts": ["a", "b"],
    "vectors without numbers": [[], []],
    "nested vectors": [[[1.0], [2.0]], [[1.0], [2.0]]],
    "objects": [{"a": 1.0}, {"a": 2.0}],
}
"""Columns of features of two items."""


def table_cases() -> Iterator[Case]:
    """Yields the cases of all files."""
    for suffix, contents in NO_TABLE.items():
        for kind, content in contents.items():
            for line, lawful in READERS.items():
                if kind not in lawful:
                    yield _case(line, f"table.{suffix}", f"{kind} in a .{suffix}", content)
    for flags, (column, cells) in COLUMNS.items():
        for kind, cell in cells.items():
            rows = "".join(f"u{i % 3},v{i},{i}\n" for i in range(12)).replace(
                ",7\n", f',"{cell}"\n'
            )
            if "split" in flags and "time" not in flags:
                rows = "".join(f"u{i},v{i},train\n" for i in range(3)) + f'u0,v4,"{cell}"\n'
            line = "soil-pyg prepare {} --out NEW " + flags
            yield _case(line, "cells.csv", f"{kind} in a cell", f"user,item,{column}\n{rows}")
    line = "soil-pyg prepare p.csv --out NEW --items items.csv --features visual={}"
    for kind, content in NUMBERS.items():
        yield _case(line, "matrix.npy", f"{kind} in an .npy", content)
    lines = ("soil-pyg prepare p.csv --out NEW --features visual={}",)
    lines += ("soil-pyg recommend RUN --users u1 --new-items text=new_text.parquet visual={}",)
    for line in lines:
        for kind, vectors in VECTORS.items():
            for suffix in ("parquet", "jsonl"):
                if suffix == "parquet" and kind == "null in a vector":
                    continue
                frame = pd.DataFrame({"item": ["v0", "v1"], "vector": vectors})
                content: Content = frame
                if suffix == "jsonl":
                    content = frame.to_json(orient="records", lines=True)
                yield _case(line, f"vectors.{suffix}", f"{kind} in a .{suffix}", content)
        twice = pd.DataFrame({"item": ["n0", "n0"], "a": [1.0, 2.0]})
        yield _case(line, "twice.parquet", "an item twice", twice)
        alone = pd.DataFrame({"item": ["n0", "n1"]})
        yield _case(line, "alone.parquet", "no features", alone)
    for suffix in ("pt", "safetensors", "xlsx", "zip", "json", "inter"):
        line = "soil-pyg prepare {} --out NEW"
        yield _case(line, f"bad.{suffix}", f"a damaged .{suffix}", b"\0\1\2 no data")


def _case(line: str, name: str, kind: str, content: Content) -> Case:
    path = str(WRONG / name)
    flags = [word for word in line.partition("{}")[0].split() if word.startswith("--")][-1:]
    make = partial(_write, name, content)
    return Case(line.format(path), kind, (path, *flags), make, family="a table")


def _write(name: str, content: Content) -> None:
    path = WRONG / name
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    elif isinstance(content, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, content)
        path.write_bytes(buffer.getvalue())
    elif isinstance(content, str):
        path.write_text(content, "utf-8")
    else:
        path.write_bytes(content)
