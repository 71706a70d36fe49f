import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soil_pyg.datasets.columns import to_numbers
from soil_pyg.datasets.frames import (
    Table,
    TableSource,
    check_columns,
    list_columns,
    read_table,
)
from soil_pyg.datasets.ids import find_ids, is_utf8
from soil_pyg.typing import ITEM

TITLE = "title"
"""The column of titles."""
IMAGE = "image"
"""The column of paths or addresses of pictures."""

_CODE = r"^[+-]?0[0-9]|^[0-9]+[eE][0-9]+$"
"""Codes that could be read as numbers."""
_ROUNDED = r"^[+-]?[0-9]{16,}$"
"""Integers that a floating-point number may not hold."""


class ItemTable:
    """A table of items with titles, pictures and other columns.

    The columns of titles and pictures are :obj:`"title"` and :obj:`"image"` if they exist and no
    others are given. Relative paths of pictures start from :obj:`image_folder` or else from the
    folder of the table's file, or from the working directory. Lists, such as those of addresses in
    the tables of Amazon, are no pictures, and a row that repeats another is left out. Raises
    :class:`ValueError` if the table cannot be read, a given column is missing, or an id is missing
    or has several rows, and :class:`FileNotFoundError` if there is no such file.
    """

    def __init__(
        self,
        source: TableSource | Table,
        item_column: str,
        title_column: str | None = None,
        image_column: str | None = None,
        image_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        table = read_table(source, "items", [item_column])
        table.refuse_empty()
        frame = table.frame.reset_index(drop=True)
        names = list(map(str, frame.columns))
        check_columns(names, names, table.source)
        ids = table.ids(item_column)
        for column in frame.columns if not table.is_text else ():
            table.refuse(_is_no_utf8(frame[column]), f"{column!r} must be valid text: mend it")
        # Tables of Amazon repeat some rows; a list of ids must not.
        repeated = pd.Index(ids.position).duplicated(keep=False)
        is_copy = np.zeros(len(frame), dtype=bool)
        if frame.shape[1] > 1:
            is_copy[repeated] = frame[repeated].map(_written_out).duplicated()
        is_other = pd.Index(ids.position).duplicated() & ~is_copy
        table.refuse(is_other, "the item already has another row")
        frame = frame[~is_copy].reset_index(drop=True)
        self.ids = ids.values[ids.position[~is_copy]]
        """The ids, in the order of the rows."""

        columns: dict[str, pd.Series] = {}
        for name, given in ((TITLE, title_column), (IMAGE, image_column)):
            column = given or name
            if column in frame.columns and (given or not _has_lists(frame[column])):
                columns[name] = _to_text(frame[column])
            elif given is not None:
                raise ValueError(
                    f"'items': column {given!r} is missing (got "
                    f"{list_columns(list(frame.columns), given)}): name "
                    f"another with '{name}_column' (--{name}-column)"
                )
        if IMAGE in columns:
            beside = Path(source).parent if isinstance(source, str | os.PathLike) else Path()
            folder = Path(image_folder or beside).expanduser().absolute()
            paths = columns[IMAGE].where(columns[IMAGE] != "", None)
            columns[IMAGE] = paths.map(
                lambda path: path if "://" in path else str(folder / path), na_action="ignore"
            )
        for column in frame.columns:
            if column not in (ITEM, TITLE, IMAGE):
                columns[str(column)] = _storable(frame[column], table.is_text)
        self._frame = pd.DataFrame(columns, index=frame.index)

    def select(self, item_id: np.ndarray) -> pd.DataFrame:
        """Returns the rows of items; rows of unknown items are null except for the id.

        The columns are :obj:`item`, then :obj:`title` and :obj:`image` if they are known, then
        the original columns of the table.
        """
        row = find_ids(item_id, self.ids)
        frame = self._frame.reindex(row).reset_index(drop=True)
        frame.insert(0, ITEM, item_id)
        return frame


def _has_lists(values: pd.Series) -> bool:
    # Such as all addresses of an item's pictures.
    return bool(values.map(lambda value: isinstance(value, list | tuple | np.ndarray)).any())


def _written_out(value: Any) -> str:
    """Returns all of a value as text; that of a long array would leave out elements."""
    if isinstance(value, list | tuple | np.ndarray):
        return f"[{', '.join(map(_written_out, value))}]"
    return repr(value)


def _is_no_utf8(values: pd.Series) -> np.ndarray:
    """Returns the mask of the texts that cannot be stored."""
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return values.map(lambda value: isinstance(value, str) and not is_utf8(value)).to_numpy(bool)


def _to_text(values: pd.Series) -> pd.Series:
    return values.map(str, na_action="ignore").astype(object)


def _storable(values: pd.Series, is_text: bool) -> pd.Series:
    if is_text:
        present = values.dropna()
        numbers = to_numbers(present)
        is_exact = numbers.dtype.kind == "i" or not present.str.contains(_ROUNDED).any()
        is_code = np.isnan(numbers).any() or present.str.contains(_CODE).any()
        # Such as the versions 1.1 and 1.10.
        is_distinct = len(np.unique(numbers)) == present.str.strip().nunique()
        if len(present) == 0 or is_code or not is_exact or not is_distinct:
            return values
        dtype = "Int64" if numbers.dtype.kind == "i" and len(present) < len(values) else None
        return pd.Series(numbers, present.index, dtype).reindex(values.index)
    # A Parquet column has one type.
    is_plain = values.dtype.kind in "biufmM" or pd.api.types.is_string_dtype(values)
    return values if is_plain else _to_text(values)
