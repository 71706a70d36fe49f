"""Reading of feature matrices with one row per item."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from soil_pyg.datasets.frames import Table, TableSource, find_ids, read_ids, read_table
from soil_pyg.utils.progress import blocks

FeatureSource: TypeAlias = TableSource | tuple[np.ndarray | Tensor, Sequence[Any] | np.ndarray]

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
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is not a matrix of numbers in the .npy format: {error}") from None
    if not isinstance(matrix, np.ndarray):
        raise ValueError(f"{path} is not a matrix of numbers in the .npy format")
    check_matrix(matrix, str(path))
    return matrix


def check_modality(modality: str, source: str) -> None:
    """Refuses a modality that cannot be part of the name of an attribute or layer, because it is
    empty or contains a dot; :obj:`source` is its origin, for the error.
    """
    if not modality or "." in modality:
        raise ValueError(f"{source}: a modality must have a name without dots (got {modality!r})")


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
    step = max(1, _BLOCK_BYTES // (8 * matrix.shape[1]))
    for rows in blocks(len(matrix), step, f"Reading {source}"):
        with np.errstate(over="ignore"):
            features[rows] = matrix[rows]
        finite = np.isfinite(features[rows]).all(axis=1)
        if not finite.all():
            row = row_name(rows.start + int(np.argmin(finite)))
            raise ValueError(f"{source} has a NaN or infinite value (as float32) in {row}: drop it")
    return torch.from_numpy(features)


def read_features(
    modality: str, source: FeatureSource, item_column: str, item_id: np.ndarray
) -> tuple[Tensor, int]:
    """Reads the features of a modality, keyed by item ids.

    The source is a data frame that is indexed by item id or has the column :obj:`item_column`, a
    file with that column, or a matrix and the list of its ids. An empty row of a table is a
    missing modality.

    Returns the features of all items in :obj:`item_id`, zeros for those without a row, and the
    number of rows that belong to no item. Raises :class:`ValueError` if an id is missing or
    repeated, no row belongs to an item, or a value is not finite.
    """
    name = f"features[{modality!r}]"
    check_modality(modality, name)
    if isinstance(source, tuple):
        matrix, keys = source
        matrix = matrix.detach().cpu().numpy() if isinstance(matrix, Tensor) else np.asarray(matrix)
        table = Table(pd.DataFrame({item_column: list(keys)}), lambda i: f"{name}, row {i}", False)
    else:
        if isinstance(source, pd.DataFrame) and item_column not in source.columns:
            source = source.rename_axis(index=item_column).reset_index()
        table = read_table(source, name, [item_column])
        matrix = _to_matrix(table.frame.drop(columns=item_column), name)
    ids = read_ids(table.frame[item_column], table.where, table.is_text)
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
    features = torch.zeros(len(item_id), matrix.shape[1])
    features[torch.from_numpy(position[known])] = to_features(
        matrix[known], name, lambda i: f"the row of item {ids.values[ids.position[known[i]]]}"
    )
    return features, len(matrix) - len(known)


def _to_matrix(frame: pd.DataFrame, name: str) -> np.ndarray:
    first = frame.iloc[:, 0].dropna().head(1).tolist() if frame.shape[1] == 1 else []
    if first and isinstance(first[0], list | tuple | np.ndarray):
        vectors = frame.iloc[:, 0].dropna().tolist()
        sizes = {np.shape(vector) for vector in vectors}
        if len(sizes) != 1:
            shapes = sorted(map(str, sizes))
            raise ValueError(f"{name}: the vectors have different shapes ({shapes})")
        matrix = np.zeros((len(frame), *sizes.pop()), dtype=np.asarray(vectors[0]).dtype)
        matrix[frame.iloc[:, 0].notna().to_numpy()] = vectors
        return matrix
    for column, dtype in frame.dtypes.items():
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            raise ValueError(f"{name}: column {column!r} must hold numbers (got type {dtype})")
    matrix = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    return np.where(frame.isna().to_numpy().all(axis=1, keepdims=True), np.float32(0), matrix)
