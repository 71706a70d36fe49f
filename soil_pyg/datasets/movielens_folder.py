"""The folders in which GroupLens publishes MovieLens."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv

from soil_pyg.datasets.frames import Table, read_table

RATING, TIME = "rating", "timestamp"
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The genres of MovieLens 100K, in the order of their columns."""
FILES = {"ratings.csv": "movies.csv", "ratings.dat": "movies.dat", "u.data": "u.item"}
"""The files of ratings and of movies: since 2013, of 1M and 10M, and of 100K."""


def ratings_file(folder: Path) -> Path | None:
    """Returns the file of ratings of a MovieLens folder, or :obj:`None` for another folder."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def movies_file(ratings: Path) -> Path:
    """Returns the file of movies beside one of ratings."""
    return ratings.with_name(FILES[ratings.name])


def read_ratings(path: Path, user_column: str, item_column: str) -> Table:
    """Reads a file of ratings: users, movies, :obj:`"rating"` and :obj:`"timestamp"`.

    Raises :class:`ValueError` that names the line if it has another number of fields.
    """
    names = [user_column, item_column, RATING, TIME]
    if path.suffix == ".csv":
        table = read_table(path, "interactions", ["userId", "movieId"], [RATING, TIME])
        return table._replace(frame=table.frame.set_axis(names, axis="columns"))
    return read_fields(path, b"::" if path.suffix == ".dat" else b"\t", names)


def read_movies(path: Path, item_column: str) -> Table:
    """Reads a file of movies: their ids, :obj:`"title"` and :obj:`"genres"`, with ``|`` between.

    Raises :class:`ValueError` that names the line if it has another number of fields.
    """
    names = [item_column, "title", "genres"]
    if path.suffix == ".csv":
        table = read_table(path, "items", ["movieId"], ["title", "genres"])
        return table._replace(frame=table.frame.set_axis(names, axis="columns"))
    if path.suffix == ".dat":
        return read_fields(path, b"::", names)
    table = read_fields(path, b"|", [*names[:2], "release", "video", "address", *GENRES])
    flags = table.frame[list(GENRES)].to_numpy() == "1"
    genres = ["|".join(np.array(GENRES)[row]) for row in flags]
    return table._replace(frame=table.frame[names[:2]].assign(genres=genres))


def read_fields(path: Path, delimiter: bytes, names: Sequence[str]) -> Table:
    """Reads a text file without a header and without quotes, in UTF-8 or Latin-1.

    Raises :class:`ValueError` that names the line if it has another number of fields.
    """
    content = path.read_bytes().rstrip(b"\r\n")
    try:
        content.decode()
        encoding = "utf8"
    except UnicodeDecodeError:
        encoding = "latin1"
    wrong: list[pyarrow.csv.InvalidRow] = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    try:
        fields = pyarrow.csv.read_csv(
            pyarrow.BufferReader(_with_tabs(content, delimiter)),
            # With threads, errors have no row numbers.
            pyarrow.csv.ReadOptions(use_threads=False, column_names=names, encoding=encoding),
            pyarrow.csv.ParseOptions(
                delimiter="\t",
                quote_char=False,
                ignore_empty_lines=False,
                invalid_row_handler=refuse,
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pyarrow.ArrowInvalid as error:
        if not wrong:
            raise ValueError(f"{path} cannot be read: {error}") from error
        raise ValueError(
            f"{path}, line {wrong[0].number}: there must be {len(names)} fields with "
            f"{delimiter.decode()!r} between them (got {wrong[0].actual_columns})"
        ) from None
    frame: pd.DataFrame = fields.to_pandas()
    return Table(frame, lambda row: f"{path}, line {row + 1}", True)


def _with_tabs(content: bytes, delimiter: bytes) -> bytes:
    if delimiter == b"::" and b":::" in content:
        # A title may end with a colon.
        return re.sub(rb"::(?!:(?!:))", b"\t", content)
    return content.replace(delimiter, b"\t")
