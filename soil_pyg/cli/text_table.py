"""Tables for people, in a terminal or in a text file."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

PAGE = 1000
"""The number of rows per header in the format :obj:`"table"`."""
_EDGE, _GAP = 1, 3
"""The widths that a box adds to a table and to each column."""


def write_table(stream: IO[bytes], blocks: Iterable[pd.DataFrame]) -> None:
    """Writes blocks of rows, each with a header. In a terminal, columns of numbers that do not fit
    are written in parts, one below the other.
    """
    # Only a terminal has a width and colours.
    is_terminal = stream.isatty()
    width = None if is_terminal else 2**15
    for block in blocks:
        console = Console(width=width, highlight=False, force_terminal=is_terminal)
        for start in range(0, max(len(block), 1), PAGE):
            with console.capture() as capture:
                page = block.iloc[start : start + PAGE]
                for part in _parts(page, console.width) if is_terminal else [page]:
                    console.print(_rich_table(part))
            lines = (line.rstrip() for line in capture.get().splitlines())
            stream.write("".join(f"{line}\n" for line in lines if line).encode())


def _parts(frame: pd.DataFrame, width: int) -> Iterator[pd.DataFrame]:
    """Yields a table in parts of its floating-point columns that fit into a width. Each part begins
    with the columns before them.
    """
    is_float = [pd.api.types.is_float_dtype(dtype) for dtype in frame.dtypes]
    num_keys = is_float.index(True) if True in is_float else frame.shape[1]
    widths = [_width(frame.iloc[:, column]) for column in range(frame.shape[1])]
    free = width - _EDGE - sum(widths[:num_keys])
    if sum(widths[num_keys:]) <= free or max(widths[num_keys:], default=0) > free:
        yield frame
        return
    keys, part = list(range(num_keys)), list[int]()
    for column in range(num_keys, frame.shape[1]):
        if sum(widths[other] for other in [*part, column]) > free:
            yield frame.iloc[:, keys + part]
            part = []
        part.append(column)
    yield frame.iloc[:, keys + part]


def _width(values: pd.Series) -> int:
    return max(cell_len(str(values.name)), *(_cell(value).cell_len for value in values), 0) + _GAP


def _rich_table(frame: pd.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD)
    columns = []
    for number, name in enumerate(frame.columns):
        values = frame.iloc[:, number]
        is_number = pd.api.types.is_numeric_dtype(values)
        table.add_column(Text(str(name)), justify="right" if is_number else "left", overflow="fold")
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
