"""Columns of tables that hold labels, numbers and times."""

import numpy as np
import pandas as pd

from soil_pyg.datasets.frames import Table

_NAMED_LABELS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
SPLIT_LABELS = _NAMED_LABELS | {"0": 0, "1": 1, "2": 2}
"""The label of each text that a split column may hold."""


def read_labels(table: Table, column: str) -> np.ndarray:
    """Reads the labels of a split column as 0, 1 and 2 and refuses unknown ones."""
    texts = table.frame[column].astype(object).map(str)
    label = texts.map(SPLIT_LABELS).to_numpy(dtype=float)
    _refuse(table, column, np.isnan(label), f"one of {', '.join(SPLIT_LABELS)}")
    return label.astype(np.int64)


def read_numbers(table: Table, column: str) -> np.ndarray:
    """Reads a column of numbers and refuses missing and other values."""
    values = _complete(table, column)
    numbers: np.ndarray = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)
    _refuse(table, column, np.isnan(numbers), "a number")
    return numbers


def read_times(table: Table, column: str) -> np.ndarray:
    """Reads a column of numbers, dates or ISO 8601 strings as times and refuses other values."""
    values = _complete(table, column)
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy()
    times = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
    _refuse(table, column, times.isna().to_numpy(), "a number or an ISO 8601 time")
    return times.astype("int64").to_numpy()


def _complete(table: Table, column: str) -> pd.Series:
    values = table.frame[column]
    table.refuse(values.isna().to_numpy(), f"{column!r} is missing; fill it in or drop the row")
    return values


def _refuse(table: Table, column: str, wrong: np.ndarray, expected: str) -> None:
    if wrong.any():
        got = table.frame[column].iloc[int(np.argmax(wrong))]
        table.refuse(wrong, f"{column!r} must be {expected} (got '{got}')")
