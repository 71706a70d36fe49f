"""Names of pictures: in a folder, after the ids of items, and in the columns of their table."""

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd

from soil_pyg.datasets.item_table import IMAGE
from soil_pyg.typing import ITEM

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""The suffixes of pictures, in upper or lower case."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
TEMPLATE = f"{{{ITEM}}}"
"""Stands for the id of an item in the last part of a path."""


class PictureFolder:
    """The pictures of a folder, which is read on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def names(self) -> list[str]:
        """The sorted names of the pictures."""
        names = os.listdir(self.folder)
        return sorted(name for name in names if name.lower().endswith(SUFFIXES))

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """The names of the pictures by their names with and without a suffix."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(Path(name).stem, []).append(name)
            found.setdefault(name, []).append(name)
        return found

    def find(self, stem: str, suffix: str | None = None) -> Path | None:
        """Returns the picture of a name, which may lack the suffix, or :obj:`None`.

        Raises :class:`ValueError` if several pictures have the name and the suffix, if it is given.
        """
        names = self.by_stem.get(stem, [])
        if suffix:
            names = [name for name in names if Path(name).suffix.lower() == suffix.lower()]
        if len(names) > 1:
            raise ValueError(
                f"folder '{self.folder}' has several pictures of one name ({', '.join(names)}): "
                f"remove all but one, or choose a suffix, such as '{self.folder / TEMPLATE}"
                f"{Path(names[0]).suffix}' (--embed image=...)"
            )
        return self.folder / names[0] if names else None

    def find_path(self, path: Path) -> Path:
        """Returns the picture at a path that may lack the suffix or have it in another case, or the
        path itself if there is none.
        """
        if path.exists() or not self.folder.is_dir():
            return path
        has_suffix = path.name.lower().endswith(SUFFIXES)
        stem, suffix = (path.stem, path.suffix) if has_suffix else (path.name, None)
        return self.find(stem, suffix) or path


def split_template(path: Path) -> tuple[Path, str | None]:
    """Returns the folder of pictures named after items and the suffix of the pictures: empty if
    the path ends in :obj:`"{item}"` without one, :obj:`None` if the path is that of the folder.
    """
    match = re.fullmatch(rf"{re.escape(TEMPLATE)}(\.\w+)?", path.name)
    return (path, None) if match is None else (path.parent, match[1] or "")


def file_name(value: Any) -> str | None:
    """Returns the value of a column as the name of a file, or :obj:`None` if it is none. Whole
    numbers count as names without a suffix.
    """
    if isinstance(value, str | os.PathLike):
        return str(value) if str(value).strip() else None
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return str(int(value)) if is_number and float(value).is_integer() else None


def refuse_columns_of_names(
    items: pd.DataFrame, files: list[Path | None], pictures: PictureFolder, root: Path
) -> None:
    """Refuses a folder whose pictures are named by a column of the items rather than by their ids.

    A column with the names of pictures of the folder is refused if one of them is not the picture
    of the item's id. Suffixes may be in another case, and the column :obj:`"image"` may lack them.
    Any other column of names without suffixes, such as other ids, is refused only if it names more
    pictures than the ids do, as any whole numbers may be ids of items. Of a URL, the last part is
    the name.

    Args:
        items (pandas.DataFrame): The items.
        files (list[Path or None]): The picture that is named after each item.
        pictures (PictureFolder): The folder.
        root (Path): The folder of relative paths in a column.
    """
    by_id = [None if file is None else file.name for file in files]
    num_by_id = len(set(by_id) - {None})
    for column in items.columns.drop(ITEM):
        _refuse_urls(column, items[column], by_id, pictures)
        for base, flag in ((root, ""), (pictures.folder, f" --image-folder {pictures.folder}")):
            named = dict(_named(items[column], pictures, root, base))
            others = [name for row, name in named.items() if name != by_id[row]]
            values = items[column].iloc[list(named)].map(lambda value: Path(str(value)).name)
            are_names = any(
                value.lower().endswith(SUFFIXES) or (column == IMAGE and not value.isdigit())
                for value in values
            )
            num_named = len(set(named.values()))
            if others and (are_names or num_named > num_by_id):
                raise ValueError(
                    f"folder '{pictures.folder}' can be read in two ways: {num_by_id} of its "
                    f"pictures are named after items, and column {column!r} of the table of items "
                    f"names {num_named}: choose '--embed image={column}{flag}' for the column, or "
                    f"'--embed image={pictures.folder / TEMPLATE}' for pictures named after items"
                )


def _refuse_urls(
    column: str, values: pd.Series, by_id: list[str | None], pictures: PictureFolder
) -> None:
    """Refuses a folder whose pictures are the last parts of the URLs in a column, if one of them
    is not the picture of the item's id.
    """
    for row, value in enumerate(values):
        if not isinstance(value, str) or not _URL.match(value):
            continue
        last = os.path.basename(unquote(_URL.sub("", value).partition("?")[0].partition("#")[0]))
        if last.lower().endswith(SUFFIXES) and last in pictures.by_stem and last != by_id[row]:
            raise ValueError(
                f"folder '{pictures.folder}' can be read in two ways: picture {last!r} is not "
                f"named after the item whose URL in column {column!r} of the table of items ends "
                f"in it: choose '--embed image={pictures.folder / TEMPLATE}' for pictures named "
                f"after items, or add a column of the names of their files and choose "
                f"'--embed image=COLUMN --image-folder {pictures.folder}'"
            )


def _named(
    values: pd.Series, pictures: PictureFolder, root: Path, base: Path
) -> Iterator[tuple[int, str]]:
    """Yields the rows whose value names a picture of a folder, and its name, where relative paths
    start from :obj:`base`; absolute ones inside :obj:`root` were relative to it.
    """
    folder, known = os.path.abspath(pictures.folder), set(pictures.names)
    in_any_case = {_lower_suffix(known_name): known_name for known_name in pictures.names}
    for row, value in enumerate(values):
        name = file_name(value)
        last = "" if name is None else os.path.basename(name)
        if last not in pictures.by_stem:
            last = in_any_case.get(_lower_suffix(last), "")
        if name is None or not last:
            continue
        if base != root:
            name = os.path.relpath(os.path.join(root, name), root)
        if os.path.dirname(os.path.abspath(os.path.join(base, name))) == folder:
            yield row, last if last in known else pictures.by_stem[last][0]


def _lower_suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem + suffix.lower()
