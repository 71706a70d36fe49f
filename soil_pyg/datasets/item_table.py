import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soil_pyg.datasets.frames import TableSource, find_ids, read_ids, read_table
from soil_pyg.datasets.text_files import check_utf8
from soil_pyg.typing import ITEM

TITLE = "title"
"""The column of titles."""
IMAGE = "image"
"""The column of paths or addresses of pictures."""


class ItemTable:
    """A table of items with titles, pictures and other columns.

    The columns of titles and pictures are :obj:`"title"` and :obj:`"image"` if they exist and no
    others are given. Relative paths of pictures start from :obj:`image_folder` or else from the
    folder of the table's file, or from the working directory. Raises :class:`ValueError` if the
    table cannot be read, a given column is missing, or an id is missing or repeated, and
    :class:`FileNotFoundError` if there is no such file or folder.
    """

    def __init__(
        self,
        source: TableSource,
        item_column: str,
        title_column: str | None = None,
        image_column: str | None = None,
        image_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        table = read_table(source, "items", [item_column])
        table.refuse_empty()
        if image_folder is not None and not Path(image_folder).expanduser().is_dir():
            raise FileNotFoundError(
                f"'image_folder' (--image-folder) must be an existing folder (got '{image_folder}')"
            )
        frame = table.frame
        ids = read_ids(frame[item_column], table.where, table.is_text)
        table.refuse(pd.Index(ids.position).duplicated(), "the item already has a row")
        self.ids = ids.values[ids.position]
        """The ids, in the order of the rows."""

        columns: dict[str, pd.Series] = {}
        for name, given in ((TITLE, title_column), (IMAGE, image_column)):
            column = given or name
            if column in frame.columns:
                columns[name] = _to_text(frame[column])
            elif given is not None:
                raise ValueError(
                    f"'items': column {given!r} is missing (got {list(frame.columns)}): name "
                    f"another with '{name}_column' (--{name}-column)"
                )
        if IMAGE in columns:
            beside = Path() if isinstance(source, pd.DataFrame) else Path(source).parent
            folder = Path(image_folder or beside).expanduser().absolute()
            columns[IMAGE] = columns[IMAGE].map(
                lambda path: path if "://" in path else str(folder / path), na_action="ignore"
            )
        for column in frame.columns:
            if column not in (ITEM, TITLE, IMAGE):
                columns[str(column)] = _storable(frame[column])
        self._frame = pd.DataFrame(columns, index=frame.index).reset_index(drop=True)

    def select(self, item_id: np.ndarray) -> pd.DataFrame:
        """Returns the rows of items; rows of unknown items are null except for the id.

        The columns are :obj:`item`, then :obj:`title` and :obj:`image` if they are known, then
        the original columns of the table.
        """
        row = find_ids(item_id, self.ids)
        frame = self._frame.reindex(row).reset_index(drop=True)
        frame.insert(0, ITEM, item_id)
        return frame


def read_item_ids(path: str | os.PathLike[str], item_column: str) -> list[Any]:
    """Reads the ids of the rows of a matrix from a :obj:`.txt` file with one id per line, an
    :obj:`.npy` file, or a table with the column of the ids.

    Raises :class:`FileNotFoundError` or :class:`ValueError` if the file cannot be read.
    """
    path = Path(path).expanduser()
    if path.suffix == ".txt" and path.is_file():
        check_utf8(path)
        with open(path, encoding="utf-8-sig") as file:
            return [line.rstrip("\n") for line in file]
    if path.suffix == ".npy" and path.is_file():
        try:
            ids = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"'item_ids': {path} does not hold ids: {error}") from None
        if ids.ndim != 1 or ids.dtype.kind not in "iuU":
            raise ValueError(
                f"'item_ids': {path} must hold integers or strings in one dimension "
                f"(got {ids.dtype}, shape {ids.shape})"
            )
    else:
        ids = read_table(path, "item_ids", [item_column], []).frame[item_column]
    listed: list[Any] = ids.tolist()
    return listed


def _to_text(values: pd.Series) -> pd.Series:
    return values.map(str, na_action="ignore").astype(object)


def _storable(values: pd.Series) -> pd.Series:
    # A Parquet column has one type.
    is_plain = values.dtype.kind in "biufmM" or pd.api.types.is_string_dtype(values)
    return values if is_plain else _to_text(values)
