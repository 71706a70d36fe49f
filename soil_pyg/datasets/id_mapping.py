"""The original ids of a folder in the layout of MMRec."""

from pathlib import Path

import numpy as np
import pandas as pd

from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.ids import find_ids
from soil_pyg.datasets.multimodal import COLUMNS
from soil_pyg.typing import ITEM, USER

FILES = {USER: "u_id_mapping.csv", ITEM: "i_id_mapping.csv"}
"""The file of the ids of each node type: a column of original ids, and one of the numbers that
stand for them in the interactions.
"""
NUMBERS = {USER: COLUMNS[0], ITEM: COLUMNS[1]}
"""The column of numbers of each node type."""
_REMEDY = "mend or remove the file; without it, the numbers are the ids"


def mapped_ids(folder: Path, kind: str, numbers: np.ndarray) -> np.ndarray:
    """Returns the original ids of nodes with some numbers, or the numbers if the folder has no file
    of ids.

    Raises :class:`ValueError` that names the file if it is no such table, a number or an id has
    several rows, or the id of a node is missing.
    """
    path, column = folder / FILES[kind], NUMBERS[kind]
    if not path.is_file():
        return numbers
    table = read_table(path, str(path), [column])
    others = [name for name in table.frame.columns if name != column]
    if len(others) != 1:
        raise ValueError(
            f"{path} must have the column {column!r} and one of original ids (got "
            f"{list(table.frame.columns)}): {_REMEDY}"
        )
    # Ids such as NA are no missing ones.
    table = read_table(path, str(path), [column, *others])
    known, original = table.ids(column), table.ids(others[0])
    for name, ids in ((column, known), (others[0], original)):
        is_repeated = pd.Index(ids.position).duplicated()
        table.refuse(is_repeated, f"{name!r} already has this value: {_REMEDY}")
    row = find_ids(numbers, known.values[known.position])
    if (row < 0).any():
        missing = numbers[int(np.argmin(row))]
        raise ValueError(f"{path} has no row with {missing} as {column!r}: {_REMEDY}")
    found: np.ndarray = original.values[original.position[row]]
    return found
