"""Tables of features: a column of ids, and columns of numbers or one of vectors."""

import re
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from soil_pyg.datasets.columns import to_numbers
from soil_pyg.datasets.frames import Table

_UNNAMED = re.compile(r"|Unnamed: [0-9]+|__index_level_[0-9]+__")
_VECTORS = (list, tuple, np.ndarray, Tensor)
_SHOWN = 60


def matrix_of(table: Table, item_column: str, name: str) -> np.ndarray:
    """Returns the numbers or the vectors beside the ids as a matrix, with zeros for empty rows.

    Raises :class:`ValueError` that names the column and the row if there are none, or they are of
    another type or shape.
    """
    frame = table.frame.drop(columns=item_column)
    unnamed = [column for column in map(str, frame.columns) if _UNNAMED.fullmatch(column)]
    if unnamed:
        raise ValueError(f"{name}: column {unnamed[0]!r} has no name, like row numbers: drop it")
    first = frame.iloc[:, 0].dropna().head(1).tolist() if frame.shape[1] == 1 else []
    if first and isinstance(first[0], _VECTORS):
        return _stack_vectors(table, frame.iloc[:, 0])
    if table.is_text:
        frame = pd.DataFrame({i: _parse(table, frame.iloc[:, i]) for i in range(frame.shape[1])})
    if frame.shape[1] == 0:
        raise ValueError(
            f"{table.source} has no column besides {item_column!r}: it must have columns of "
            "numbers, or one of vectors"
        )
    for position, (column, dtype) in enumerate(frame.dtypes.items()):
        if not pd.api.types.is_numeric_dtype(dtype) or dtype.kind not in "iuf":
            present = frame.iloc[:, position].dropna()[: 0 if dtype.kind in "bmMc" else 1]
            example = "".join(f", such as {value!r}" for value in present)
            raise ValueError(
                f"{table.source}: column {column!r} must hold numbers or vectors of numbers (got "
                f"type {dtype}{example[:_SHOWN]}): convert it (in pandas: frame.astype('float32'))"
            )
    with np.errstate(over="ignore"):
        matrix = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    return np.where(frame.isna().to_numpy().all(axis=1, keepdims=True), np.float32(0), matrix)


def _parse(table: Table, texts: pd.Series) -> np.ndarray:
    numbers = to_numbers(texts)
    wrong = np.isnan(numbers) & texts.notna().to_numpy()
    got = texts.iloc[int(np.argmax(wrong))] if wrong.any() else ""
    advice = ": write one column per number, or vectors as JSON lines or Parquet"
    table.refuse(
        wrong,
        f"{texts.name!r} must be a number (got {str(got)[:_SHOWN]!r})"
        f"{advice if str(got).lstrip().startswith(('[', '(')) else ''}",
    )
    return numbers


def _stack_vectors(table: Table, values: pd.Series) -> np.ndarray:
    """Returns vectors as the rows of a matrix whose type holds the numbers of all of them."""
    present = np.flatnonzero(values.notna().to_numpy())
    vectors = []
    for row in present:
        value = values.iloc[row]
        vector = _to_vector(value)
        if vector is None:
            shown = f"{value!r}"[:_SHOWN]
            table.refuse(
                np.arange(len(values)) == row,
                f"{values.name!r} must be a vector of numbers (got {shown})",
            )
            continue
        vectors.append(vector)
        if vector.shape != vectors[0].shape:
            table.refuse(
                np.arange(len(values)) == row,
                f"{values.name!r} must have shape {vectors[0].shape}, as the first vector (got "
                f"shape {vector.shape})",
            )
    matrix = np.zeros(
        (len(values), *vectors[0].shape), np.result_type(*{vector.dtype for vector in vectors})
    )
    matrix[present] = vectors
    return matrix


def _to_vector(value: Any) -> np.ndarray | None:
    try:
        is_vector = isinstance(value, _VECTORS)
        vector = to_array(value, "a vector")
    except (ValueError, OverflowError):
        # Lists of different lengths inside.
        return None
    return vector if is_vector and vector.dtype.kind in "iuf" else None


def to_array(matrix: np.ndarray | Tensor, source: str) -> np.ndarray:
    """Returns a matrix on the CPU as an array, in :obj:`float32` if numpy lacks the type, with NaN
    for masked values; :obj:`source` is its origin, for the error.
    """
    if isinstance(matrix, np.ma.MaskedArray) and matrix.mask.any():
        matrix = np.ma.filled(matrix.astype(float), np.nan)
    if not isinstance(matrix, Tensor):
        return np.asarray(matrix)
    if matrix.layout is not torch.strided or matrix.is_quantized or matrix.is_meta:
        raise ValueError(f"{source} must be a dense tensor (got layout {matrix.layout})")
    is_known = matrix.dtype in (torch.float16, torch.float32, torch.float64)
    is_float = matrix.is_floating_point() and not is_known
    array: np.ndarray = (
        (matrix.float() if is_float else matrix).detach().cpu().resolve_neg().numpy()
    )
    return array
