"""Reading of files of ids."""

import os
from pathlib import Path

import numpy as np

from soil_pyg.datasets.frames import is_table, read_table
from soil_pyg.datasets.ids import read_ids
from soil_pyg.datasets.npy_files import open_array
from soil_pyg.datasets.text_files import read_lines, split_suffix


def read_id_file(
    path: str | os.PathLike[str], name: str, column: str, skip_blank: bool = False
) -> np.ndarray:
    """Reads ids in the order of a file: an :obj:`.npy` file, a table with the column of the ids, or
    a text with one id per line, whose blank lines may be skipped.

    Returns :obj:`int64` or strings. Raises :class:`FileNotFoundError` or :class:`ValueError` if
    the file cannot be read or an id is missing; :obj:`name` is the argument of the file, for the
    error.
    """
    path = Path(path).expanduser()
    suffix = split_suffix(path)[1]
    if not path.is_file():
        raise FileNotFoundError(f"'{name}': there is no file {path}")
    if suffix != ".txt" and is_table(path):
        ids = read_table(path, name, [column], []).ids(column)
    elif suffix == ".npy":
        ids = read_ids(_read_array(path, name), lambda i: f"{path}, row {i}")
    else:
        lines = read_lines(path)
        rows = [i for i, line in enumerate(lines) if line or not skip_blank]
        texts = [lines[i] for i in rows]
        ids = read_ids(texts, lambda i: f"{path}, line {rows[i] + 1}", is_text=True)
    found: np.ndarray = ids.values[ids.position]
    return found


def _read_array(path: Path, name: str) -> list[int | str]:
    array = open_array(path)
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError(
            f"'{name}': {path} must hold integers or strings in one dimension "
            f"(got {array.dtype}, shape {array.shape})"
        )
    try:
        values: list[int | str] = array.tolist()
    except (ValueError, SystemError) as error:
        # A number beyond the range of Unicode.
        raise ValueError(f"'{name}': {path} does not hold text: {error}") from None
    return values
