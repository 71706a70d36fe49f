"""Reading of tables of JSON objects, one per line."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soil_pyg.datasets.text_files import read_text
from soil_pyg.utils.records import unique_keys

_MAX_DEPTH = 64
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?')


def read_json_lines(
    path: Path, id_columns: Sequence[str], wanted: Sequence[str] | None
) -> tuple[pd.DataFrame, Callable[[int], str]]:
    """Reads a table of JSON objects, one per line; ids keep their types, and lists of numbers
    become arrays.

    Returns the table of the columns, all if they are :obj:`None`, without those that no object
    has, and a function that returns the origin of a row. Raises :class:`ValueError` if the file
    cannot be read.
    """
    names = None if wanted is None else set(wanted)
    columns: dict[str, list[Any]] = {}
    num_rows = 0
    for number, line in _lines(path):
        record = _parse(line, f"{path}, line {number}")
        for name, value in record.items():
            if names is None or name in names:
                column = columns.setdefault(name, [])
                column.extend([None] * (num_rows - len(column)))
                column.append(_vector(value) if isinstance(value, list) else value)
        num_rows += 1
    if num_rows == 0:
        raise ValueError(f"{path} is empty: it must hold one JSON object per line")
    for values in columns.values():
        values.extend([None] * (num_rows - len(values)))
    typed = {
        name: pd.Series(values, dtype=object if name in id_columns else _dtype(values))
        for name, values in columns.items()
    }
    frame = pd.DataFrame(typed, index=range(num_rows))
    return frame, lambda i: f"{path}, line {next(islice(_lines(path), i, None), (i + 1,))[0]}"


def _dtype(values: list[Any]) -> str | None:
    """Returns the type of integers some of which are missing, which would be rounded as floats."""
    is_integer = set(map(type, values)) == {int, type(None)}
    present = [value for value in values if value is not None] if is_integer else []
    return "Int64" if present and -(2**63) <= min(present) <= max(present) < 2**63 else None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    content = read_text(path)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    # One line at a time: a list of short ones would take many times the memory of the text.
    lines = enumerate(BytesIO(content), start=1)
    return ((number, line.rstrip(b"\n")) for number, line in lines if line.strip())


def _parse(line: bytes, where: str) -> dict[str, Any]:
    if line.count(b"[") + line.count(b"{") > _MAX_DEPTH and _depth(line) > _MAX_DEPTH:
        raise ValueError(f"{where}: lists and objects must be nested at most {_MAX_DEPTH} deep")
    if line.lstrip().startswith(b"["):
        raise ValueError(
            f"{where}: there must be one JSON object per line (got a list): write the objects one "
            "per line (in pandas: frame.to_json(path, orient='records', lines=True))"
        )
    try:
        record = json.loads(line, object_pairs_hook=unique_keys)
        if b"\\ud" in line.lower():
            # An escaped half of a surrogate pair is no character.
            json.dumps(record, ensure_ascii=False).encode()
    except ValueError as error:
        raise ValueError(f"{where}: there must be one JSON object per line ({error})") from None
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise ValueError(f"{where}: there must be one JSON object per line (got {kind})")
    return record


def _depth(line: bytes) -> int:
    values = np.frombuffer(_STRING.sub(b"", line), dtype=np.uint8)
    steps = np.isin(values, list(b"[{")).astype(np.int64) - np.isin(values, list(b"]}"))
    return int(np.cumsum(steps).max(initial=0))


def _vector(values: list[Any]) -> np.ndarray | list[Any]:
    is_numeric = all(type(value) in (int, float) for value in values)
    return np.array(values) if is_numeric else values
