"""Columns of tables that hold labels, numbers and times."""

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as pc

from soil_pyg.datasets.frames import Table

_NAMED_LABELS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
SPLIT_LABELS = _NAMED_LABELS | {"0": 0, "1": 1, "2": 2}
"""The label of each text that a split column may hold."""
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INTEGER = r"^[+-]?[0-9]+$"
_YEAR = r"^[0-9]{4}"
_ZONE = r"[T ].*(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_UNITS = np.ravel([(scale * 3e8, scale * 1e10) for scale in (1, 1e3, 1e6, 1e9)])
"""The bounds of times between 1979 and 2286 in each unit."""
_TIME = "a number or an ISO 8601 time"


def read_labels(table: Table, column: str) -> np.ndarray:
    """Reads the labels of a split column as 0, 1 and 2 and refuses unknown ones."""
    values = table.frame[column]
    missing = values.isna().to_numpy()
    if values.dtype == object:
        values = values.map(str)
    codes, distinct = pd.factorize(values)
    # The last one is for missing values, with code -1.
    label_of_code = [*(SPLIT_LABELS.get(str(value), -1) for value in distinct), -1]
    labels = np.array(label_of_code, dtype=np.int8)[codes]
    wrong = missing if missing.any() else labels < 0
    _refuse(table, column, wrong, f"one of {', '.join(SPLIT_LABELS)}")
    return labels


def read_numbers(table: Table, column: str) -> np.ndarray:
    """Reads a column of numbers and refuses missing, infinite and other values."""
    values = _complete(table, column)
    numbers = to_numbers(values)
    _refuse(table, column, ~np.isfinite(numbers), "a finite number")
    return numbers.astype(float)


def read_times(table: Table, column: str) -> np.ndarray:
    """Reads a column of times, which are all numbers, all dates or ISO 8601 strings, or all such
    strings with a time zone. Refuses other values.
    """
    values = _complete(table, column)
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.to_datetime(values, utc=True).astype("int64").to_numpy()
    numbers = to_numbers(values)
    is_number = np.isfinite(numbers)
    if is_number.all():
        _refuse(table, column, _is_of_another_unit(numbers), "in the unit of the first row")
        return numbers
    texts = values.astype(object).map(_printable)
    times = pd.to_datetime(
        texts.where(texts.str.match(_YEAR)), format="ISO8601", utc=True, errors="coerce"
    )
    _refuse(table, column, times.isna().to_numpy() & ~is_number, _TIME)
    kind = np.where(is_number, 2, texts.str.contains(_ZONE, regex=True).to_numpy())
    _refuse(table, column, kind != kind[0], f"{_TIME} in the form of the first row")
    return times.astype("int64").to_numpy()


def _is_of_another_unit(times: np.ndarray) -> np.ndarray:
    """Returns the mask of the times in another unit than the first, where all are those of our age
    in seconds, milliseconds, microseconds or nanoseconds, or not above 0, which marks unknown ones.
    """
    unit = np.searchsorted(_UNITS, times)
    is_of_our_age = unit % 2 == 1
    is_other = is_of_our_age & (unit != unit[np.argmax(is_of_our_age)])
    mask: np.ndarray = is_other & (is_of_our_age | (times <= 0)).all()
    return mask


def to_numbers(values: pd.Series) -> np.ndarray:
    """Returns numbers, and texts that are written as numbers, as :obj:`int64` or floating-point
    numbers, exactly; NaN for others and for missing ones.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    is_plain = pd.api.types.is_numeric_dtype(values) and values.dtype.kind in "iuf"
    if is_plain and not values.isna().any():
        return values.to_numpy()
    if is_plain:
        return values.to_numpy(float, na_value=np.nan)
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.astype(object).map(_printable).where(values.notna(), None)
    texts = pyarrow.array(values.to_numpy(object), pyarrow.large_string(), from_pandas=True)
    texts = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"^\+", "")
    if texts.null_count == 0 and pc.all(pc.match_substring_regex(texts, _INTEGER)).as_py():
        try:
            integers: np.ndarray = pc.cast(texts, pyarrow.int64()).to_numpy()
            return integers
        except pyarrow.ArrowInvalid:
            # Integers beyond 64 bits are rounded.
            pass
    is_number = pc.match_substring_regex(texts, _NUMBER)
    numbers = pc.if_else(is_number, texts, pyarrow.scalar(None, texts.type))
    floats: np.ndarray = pc.cast(numbers, pyarrow.float64()).to_numpy(zero_copy_only=False)
    return floats


def _complete(table: Table, column: str) -> pd.Series:
    values = table.frame[column]
    table.refuse(values.isna().to_numpy(), f"{column!r} is missing; fill it in or drop the row")
    return values


def _refuse(table: Table, column: str, wrong: np.ndarray, expected: str) -> None:
    if wrong.any():
        got = table.frame[column].iloc[int(np.argmax(wrong))]
        table.refuse(wrong, f"{column!r} must be {expected} (got '{got}')")


def _printable(value: object) -> str:
    return str(value).encode(errors="replace").decode()
