"""Reading of feature matrices with one row per item."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from soil_pyg.datasets.feature_table import matrix_of, to_array
from soil_pyg.datasets.frames import Table, TableSource, check_columns, read_table
from soil_pyg.datasets.ids import find_ids
from soil_pyg.datasets.npy_files import open_array
from soil_pyg.utils.progress import blocks

_Rows: TypeAlias = Sequence[Any] | np.ndarray
FeatureSource: TypeAlias = (
    TableSource
    | tuple[np.ndarray | Tensor, _Rows]
    | tuple[np.ndarray | Tensor, _Rows, str | os.PathLike[str]]
)

FEATURE_SUFFIX = "_feat.npy"
"""The end of the name of a feature file, after the modality."""
_BLOCK_BYTES = 1 << 26


def feature_files(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Returns the feature files of a folder by modality, in the order of their names."""
    paths = sorted(Path(folder).glob(f"*{FEATURE_SUFFIX}"))
    return {path.name.removesuffix(FEATURE_SUFFIX): path for path in paths}


def open_features(paths: Mapping[str, Path]) -> tuple[dict[str, np.ndarray], int | None]:
    """Opens feature files without reading their content.

    Returns the matrix of each modality and the number of their rows, :obj:`None` without matrices.
    Raises :class:`ValueError` if a file is not a matrix of real numbers, its name has no modality,
    or the numbers of rows differ.
    """
    for modality, path in paths.items():
        check_modality(modality, str(path))
    matrices = {modality: open_matrix(path) for modality, path in paths.items()}
    num_rows = {modality: len(matrix) for modality, matrix in matrices.items()}
    if len(set(num_rows.values())) > 1:
        listed = ", ".join(f"{paths[modality]} has {num}" for modality, num in num_rows.items())
        raise ValueError(f"The feature files must have one row per item each: {listed}")
    return matrices, next(iter(num_rows.values()), None)


def open_matrix(path: Path) -> np.ndarray:
    """Opens an :obj:`.npy` file without reading its content and refuses all but real matrices."""
    matrix = open_array(path)
    check_matrix(matrix, str(path))
    return matrix


def check_modality(modality: str, source: str) -> None:
    """Refuses a modality that cannot be part of the name of an attribute, a layer and a file,
    because it is empty or contains a dot or a slash; :obj:`source` is its origin, for the error.
    """
    if not modality or set("./\\\0") & set(modality):
        raise ValueError(
            f"{source}: a modality must have a name without dots and slashes (got {modality!r})"
        )


def check_matrix(matrix: np.ndarray, source: str) -> None:
    """Refuses arrays that are not matrices of real numbers with at least one column; :obj:`source`
    is their origin, for the error.
    """
    if matrix.dtype.kind not in "fiu":
        raise ValueError(f"{source} must hold real numbers (got type {matrix.dtype})")
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"{source} must have one row per item (got shape {matrix.shape})")


def to_features(matrix: np.ndarray, source: str, row_name: Callable[[int], str]) -> Tensor:
    """Casts a matrix of any real type to :obj:`float32` block by block and refuses values that are
    not finite; :obj:`source` and :obj:`row_name` name the matrix and a row, for the error.
    """
    check_matrix(matrix, source)
    features = np.empty(matrix.shape, dtype=np.float32)
    every = np.arange(len(matrix))
    _cast_rows(matrix, every, features, every, source, row_name)
    return torch.from_numpy(features)


def _cast_rows(
    matrix: np.ndarray,
    rows: np.ndarray,
    features: np.ndarray,
    places: np.ndarray,
    source: str,
    row_name: Callable[[int], str],
) -> None:
    """Writes rows of a matrix to places of the features; errors name them by :obj:`row_name`."""
    step = max(1, _BLOCK_BYTES // (8 * matrix.shape[1]))
    for block in blocks(len(rows), step, f"Reading {source}"):
        with np.errstate(over="ignore"):
            some = matrix[rows[block]].astype(np.float32)
        finite = np.isfinite(some).all(axis=1)
        if not finite.all():
            row = row_name(block.start + int(np.argmin(finite)))
            raise ValueError(
                f"{source} has a NaN or infinite value (as float32) in {row}: drop the row, or "
                "fill it with zeros, which mark a missing modality"
            )
        features[places[block]] = some


def read_features(
    modality: str, source: FeatureSource, item_column: str, item_id: np.ndarray
) -> tuple[Tensor, int]:
    """Reads the features of a modality, keyed by item ids.

    The source is a data frame that is indexed by item id or has the column :obj:`item_column`, a
    file with that column, or a matrix and the list of its ids, with the name of its file if it has
    one. An empty row of a table is a missing modality.

    Returns the features of all items in :obj:`item_id`, zeros for those without a row, and the
    number of rows that belong to no item. Raises :class:`ValueError` if an id is missing or
    repeated, no row belongs to an item, or a value is not finite.
    """
    name = f"features[{modality!r}]"
    check_modality(modality, name)
    if isinstance(source, tuple):
        matrix, keys, *origin = source
        name = str(origin[0]) if origin else name
        if isinstance(keys, set | frozenset):
            raise ValueError(f"{name}: the ids must be in the order of the rows (got a set)")
        matrix = to_array(matrix, name)
        frame = pd.DataFrame({item_column: keys if isinstance(keys, np.ndarray) else list(keys)})
        table = Table(frame, lambda i: f"{name}, row {i}", False)
    else:
        if isinstance(source, pd.DataFrame) and item_column not in source.columns:
            if isinstance(source.index, pd.RangeIndex) and source.index.name is None:
                # Row numbers would pass for ids.
                check_columns(source.columns, [item_column], f"{name} without an index of ids")
            if source.index.nlevels > 1:
                raise ValueError(
                    f"{name} must have an index of ids alone (got the levels "
                    f"{list(source.index.names)}): name the column of ids {item_column!r}"
                )
            source = source.rename_axis(index=item_column).reset_index()
        table = read_table(source, name, [item_column])
        matrix = matrix_of(table, item_column, name)
    ids = table.ids(item_column)
    check_matrix(matrix, name)
    if len(ids.position) != len(matrix):
        raise ValueError(f"{name} has {len(matrix)} rows, but {len(ids.position)} item ids")
    table.refuse(pd.Index(ids.position).duplicated(), "the item has features already")
    position = find_ids(ids.values, item_id)[ids.position]
    is_known = position >= 0
    if not is_known.any():
        raise ValueError(
            f"{name}: no row belongs to an item (items such as {item_id[:1].tolist()}, "
            f"features of ids such as {ids.values[:1].tolist()})"
        )
    known = np.flatnonzero(is_known)

    def row_name(i: int) -> str:
        row = f"row {known[i]}" if isinstance(source, tuple) else table.where(known[i])
        return f"{row} (item {ids.values[ids.position[known[i]]]})"

    features = np.zeros((len(item_id), matrix.shape[1]), dtype=np.float32)
    _cast_rows(matrix, known, features, position[known], name, row_name)
    return torch.from_numpy(features), len(matrix) - len(known)
