"""Columns of tables that hold labels, numbers and times."""

import numpy as np
import pandas as pd

from soil_pyg.datasets.frames import Table

SPLIT_LABELS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
"""Labels that a split column may hold, besides 0, 1 and 2."""


def read_labels(table: Table, column: str) -> np.ndarray:
    """Reads the labels of a split column as 0, 1 and 2.

    Args:
        table (Table): The table.
        column (str): Its column.

    Raises:
        ValueError: If a label is unknown.
    """
    names = SPLIT_LABELS | {str(label): label for label in range(3)}
    texts = table.frame[column].astype(object).map(str)
    label = texts.map(names).to_numpy(dtype=float)
    unknown = np.isnan(label)
    if unknown.any():
        got = texts.iloc[int(np.argmax(unknown))]
        table.refuse(unknown, f"{column!r} must be one of {', '.join(names)} (got {got!r})")
    return label.astype(np.int64)


def read_numbers(table: Table, column: str) -> np.ndarray:
    """Reads a column of numbers.

    Args:
        table (Table): The table.
        column (str): Its column.

    Raises:
        ValueError: If a value is missing or is no number.
    """
    values = table.frame[column]
    table.refuse(values.isna().to_numpy(), f"{column!r} is missing; fill it in or drop the row")
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = np.isnan(numbers)
    if wrong.any():
        got = values.iloc[int(np.argmax(wrong))]
        table.refuse(wrong, f"{column!r} must be a number (got '{got}')")
    return numbers


def read_times(table: Table, column: str) -> np.ndarray:
    """Reads a column of times as numbers.

    Args:
        table (Table): The table.
        column (str): Its column: numbers, dates or ISO 8601 strings.

    Raises:
        ValueError: If a time is missing or of another form.
    """
    times = table.frame[column]
    table.refuse(times.isna().to_numpy(), f"{column!r} is missing; fill it in or drop the row")
    if pd.api.types.is_numeric_dtype(times):
        return times.to_numpy()
    times = pd.to_datetime(times, format="ISO8601", utc=True, errors="coerce")
    wrong = times.isna().to_numpy()
    if wrong.any():
        got = table.frame[column].iloc[int(np.argmax(wrong))]
        table.refuse(wrong, f"{column!r} must be a number or an ISO 8601 time (got '{got}')")
    return times.astype("int64").to_numpy()
