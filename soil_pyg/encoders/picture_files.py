"""Files of the pictures of items."""

import os
from pathlib import Path

import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError

from soil_pyg.typing import ITEM

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""The suffixes of pictures, in upper or lower case."""


def find_pictures(
    items: pd.DataFrame, source: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> list[Path | None]:
    """Returns the file of each item's picture, or :obj:`None` for items without one.

    The source is a column of paths, where relative ones start from :obj:`root` or the working
    directory, or a folder whose pictures are named after the items, such as :obj:`tea.jpg`. Raises
    :class:`ValueError` if it is neither or no item has a picture.
    """
    column = os.fspath(source)
    if column in items.columns:
        return _in_column(items, column, Path(root or "").expanduser())
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _in_folder(items, folder)
    raise ValueError(
        f"'{source}' is neither a folder of pictures nor a column of the table of items, 'items' "
        f"(--items), which has {list(items.columns)}: choose another folder, column or table"
    )


def read_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Reads a picture upright and in RGB, with a white background if it is transparent.

    Only the first frame of an animation is read. Raises :class:`ValueError` with the reason if the
    file cannot be read.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                colours = upright.convert("RGBA")
                white = Image.new("RGBA", colours.size, "white")
                upright = Image.alpha_composite(white, colours)
            return upright.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError("not a picture") from None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    # Damaged files raise errors of any type.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _in_column(items: pd.DataFrame, column: str, root: Path) -> list[Path | None]:
    files: list[Path | None] = []
    for value in items[column]:
        is_path = isinstance(value, str | os.PathLike) and str(value).strip()
        files.append(root / Path(value).expanduser() if is_path else None)
    if not any(files):
        raise ValueError(f"column {column!r} of the table of items has no path: choose another")
    return files


def _in_folder(items: pd.DataFrame, folder: Path) -> list[Path | None]:
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES))
    if not names:
        raise ValueError(f"folder '{folder}' has no pictures ({', '.join(SUFFIXES)})")
    # The first of several pictures of an item counts.
    file_of = {Path(name).stem: folder / name for name in reversed(names)}
    files = [file_of.get(str(item)) for item in items[ITEM]]
    if not any(files):
        raise ValueError(
            f"folder '{folder}' has no picture named after an item (pictures such as "
            f"{names[0]!r}, items such as {str(items[ITEM].iloc[0])!r})"
        )
    return files
