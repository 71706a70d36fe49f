"""Columns of tables that hold labels, numbers and times."""

import numpy as np
import pandas as pd

from soil_pyg.datasets.frames import Table

SPLIT_LABELS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
"""The labels that a split column may hold besides 0, 1 and 2."""


def read_labels(table: Table, column: str) -> np.ndarray:
    """Reads the labels of a split column as 0, 1 and 2.

    Raises:
        ValueError: If a label is unknown.
    """
    names = SPLIT_LABELS | {str(label): label for label in range(3)}
    texts = table.frame[column].astype(object).map(str)
    label = texts.map(names).to_numpy(dtype=float)
    _refuse(table, column, np.isnan(label), f"one of {', '.join(names)}")
    return label.astype(np.int64)


def read_numbers(table: Table, column: str) -> np.ndarray:
    """Reads a column of numbers.

    Raises:
        ValueError: If a value is missing or not a number.
    """
    values = _complete(table, column)
    numbers: np.ndarray = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)
    _refuse(table, column, np.isnan(numbers), "a number")
    return numbers


def read_times(table: Table, column: str) -> np.ndarray:
    """Reads a column of numbers, dates or ISO 8601 strings as times.

    Raises:
        ValueError: If a time is missing or has another form.
    """
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
