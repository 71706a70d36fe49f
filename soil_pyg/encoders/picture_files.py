"""Files of the pictures of items."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError

from soil_pyg.encoders.picture_names import (
    SUFFIXES,
    PictureFolder,
    file_name,
    refuse_columns_of_names,
    split_template,
)
from soil_pyg.typing import ITEM


def find_pictures(
    items: pd.DataFrame, source: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> list[Path | None]:
    """Returns the file of each item's picture, or :obj:`None` for items without one.

    The source is a column of paths, where relative ones start from :obj:`root` or the working
    directory, a folder whose pictures are named after the items, such as :obj:`tea.jpg`, or, if the
    items have a column of names in that folder as well, :obj:`"FOLDER/{item}"`. The suffix of the
    pictures may follow, as in :obj:`"FOLDER/{item}.jpg"`; a path in a column may lack it. Raises
    :class:`ValueError` if the source is none of these, can be read in two ways, or no item has a
    picture.
    """
    column = os.fspath(source)
    if column in items.columns:
        return _in_column(items, column, Path(root or "").expanduser())
    folder, suffix = split_template(Path(source).expanduser())
    if not folder.is_dir():
        raise ValueError(
            f"'{source}' is neither a folder of pictures nor a column of the table of items, "
            f"'items' (--items), which has {list(items.columns)}: choose another folder, column or "
            "table"
        )
    pictures = PictureFolder(folder)
    if not pictures.names:
        raise ValueError(f"folder '{folder}' has no pictures ({', '.join(SUFFIXES)})")
    files = [pictures.find(str(item), suffix) for item in items[ITEM]]
    if suffix is None:
        refuse_columns_of_names(items, files, pictures, Path(root or "").expanduser())
    if not any(files):
        raise ValueError(
            f"folder '{folder}' has no picture named after an item (pictures such as "
            f"{pictures.names[0]!r}, items such as {str(items[ITEM].iloc[0])!r})"
        )
    return files


def read_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Reads a picture upright and in RGB, with a white background if it is transparent.

    Only the first frame of an animation is read. Raises :class:`ValueError` with the reason if the
    file cannot be read.
    """
    try:
        with Image.open(path) as image:
            upright = _with_8_bits(ImageOps.exif_transpose(image), image.format)
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
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def _with_8_bits(image: Image.Image, file_format: str | None) -> Image.Image:
    """Scales values of 16 bits, which a conversion would cut to white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PNG"):
        return Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("values of 32 bits, whose range is unknown: save it with 8 bits")
    return image


def _in_column(items: pd.DataFrame, column: str, root: Path) -> list[Path | None]:
    folders: dict[Path, PictureFolder] = {}
    files: list[Path | None] = []
    for value in items[column]:
        name = file_name(value)
        if name is None:
            files.append(None)
            continue
        path = root / Path(name).expanduser()
        folder = folders.setdefault(path.parent, PictureFolder(path.parent))
        files.append(folder.find_path(path))
    if not any(files):
        raise ValueError(f"column {column!r} of the table of items has no path: choose another")
    return files
