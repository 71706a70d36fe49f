"""Ids of any type, as positions in their sorted list."""

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd
from torch import Tensor

from soil_pyg.utils.progress import blocks

_PADDED_BYTES = 1 << 26
_PADDING = 16
_IDS_PER_BLOCK = 2**20
_SHOWN = 60
_EXPLODE = "write one row per element (in pandas: frame.explode)"
_CONVERT = "convert the column to integers or strings"
_NESTED = (list, tuple, set, frozenset, dict, np.ndarray, Tensor)
_NUMBERS = (bool, np.bool_, float, np.floating, complex, np.complexfloating, Decimal)
INTEGER = "0|-?[1-9][0-9]{0,17}"
"""The pattern of texts that become integers."""
_INTEGER = re.compile(INTEGER)
_SHORTENED = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?[eE]\+[0-9]{2,}")
"""The pattern of numbers whose last digits a spreadsheet has left out."""
_LIST = re.compile(r"\[.*,.*\]", re.DOTALL)


class Ids(NamedTuple):
    """Ids as positions in their sorted list."""

    position: np.ndarray
    """One position per value, :obj:`int64`."""
    values: np.ndarray
    """The distinct ids, sorted: :obj:`int64` or strings."""


def read_ids(values: Any, where: Callable[[int], str], is_text: bool = False) -> Ids:
    """Numbers ids of any type: integers stay integers, all others become strings.

    Ids that were read from text become integers if all of them are written as integers. Strings
    have the type of :func:`text_array`. Raises :class:`ValueError` if an id is missing, a
    floating-point number, a Boolean, a list or bytes, or if two ids differ only in type;
    :obj:`where` returns the origin of a value, for the error.
    """
    series = _to_series(values)
    column = "an id" if series.name is None else repr(series.name)
    if len(series) == 0:
        return Ids(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    if series.dtype == object:
        _check_types(series.to_numpy(), where, column)
    try:
        codes, distinct = pd.factorize(series)
    except TypeError as error:
        raise ValueError(f"{where(0)}: {column} must hold integers or strings: {error}") from None
    if (codes < 0).any():
        row = where(int(np.argmin(codes)))
        raise ValueError(f"{row}: {column} is missing: fill in the id or drop the row")

    def where_distinct(i: int) -> str:
        return where(int(np.argmax(codes == i)))

    ids = _to_array(distinct, where_distinct, column, is_text)
    order = np.argsort(ids)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    # In place: the mode 'raise' would need a buffer.
    np.take(rank, codes, out=codes, mode="clip")
    return Ids(codes, ids[order])


def find_ids(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the positions of ids in a list of distinct known ids, -1 for unknown ones.

    Ids are compared as written: the integer 12 equals the string "12".
    """
    numbers = _as_numbers(ids) if known.dtype == np.int64 else None
    as_keys: Callable[[np.ndarray], Any] = np.asarray
    if numbers is None:
        numbers, as_keys = _texts(ids), _texts
    # Only the ids that are looked for are held in an index, as all known ones may be many.
    codes, distinct = pd.factorize(numbers)
    index = pd.Index(distinct, dtype=distinct.dtype)
    place = np.full(len(distinct) + 1, -1, dtype=np.int64)
    for block in blocks(len(known), _IDS_PER_BLOCK, "Looking up ids"):
        found = index.get_indexer(pd.Index(as_keys(known[block]), dtype=distinct.dtype))
        is_found = found >= 0
        place[found[is_found]] = np.flatnonzero(is_found) + block.start
    positions: np.ndarray = place[codes]
    return positions


def _as_numbers(ids: np.ndarray) -> np.ndarray | None:
    """Returns ids as integers, or :obj:`None` if one is not written as an integer."""
    if ids.dtype == np.int64:
        return ids
    texts = _texts(ids).tolist()
    if not all(map(_INTEGER.fullmatch, texts)):
        return None
    return np.array(list(map(int, texts)), dtype=np.int64)


def text_array(texts: Sequence[str]) -> np.ndarray:
    """Returns strings as an array of fixed width, or of objects where one text is much longer than
    the others and the width would take most of the memory.

    Example:
        >>> text_array(["tea", "milk"]).dtype
        dtype('<U4')
        >>> text_array(["tea"] * 10_000 + ["m" + "i" * 10_000 + "lk"]).dtype
        dtype('O')
    """
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    padded = 4 * len(texts) * int(sizes.max(initial=0))
    is_padding = padded > _PADDED_BYTES and padded > _PADDING * 4 * int(sizes.sum())
    return np.array(texts, dtype=object if is_padding else str)


def union_ids(lists: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the sorted ids that occur in any of the lists: :obj:`int64`, or strings if any list
    holds strings.
    """
    lists = list(lists)
    if all(ids.dtype.kind in "iu" for ids in lists):
        return np.unique(np.concatenate(lists))
    return text_array(sorted({text for ids in lists for text in _texts(ids)}))


def join_ids(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns one list of ids after the other: :obj:`int64`, or strings if either holds strings."""
    if first.dtype.kind == second.dtype.kind == "i":
        return np.concatenate([first, second])
    return text_array([*_texts(first), *_texts(second)])


def _to_series(values: Any) -> pd.Series:
    if isinstance(values, pd.Series):
        is_arrow = isinstance(values.dtype, pd.ArrowDtype)
        return values.astype(object) if is_arrow and values.dtype.kind == "O" else values
    if isinstance(values, np.ndarray | pd.Index):
        return pd.Series(values)
    # No types are guessed.
    return pd.Series(list(values), dtype=object)


def _check_types(values: np.ndarray, where: Callable[[int], str], column: str) -> None:
    faults = {kind: _fault(kind) for kind in set(map(type, values))}
    if set(faults.values()) <= {None}:
        return
    for row, value in enumerate(values):
        fault = faults[type(value)]
        if fault is not None and (isinstance(value, _NESTED) or not pd.isna(value)):
            _refuse(f"{where(row)}: {column}", value, fault)


def _fault(kind: type) -> str | None:
    """Returns the advice for a type that ids must not have."""
    if issubclass(kind, dict):
        return ": name the column of a plain value"
    if issubclass(kind, _NESTED):
        return f": {_EXPLODE}"
    if issubclass(kind, bytes | bytearray | memoryview):
        return ": decode the bytes"
    return f": {_CONVERT}" if issubclass(kind, _NUMBERS) else None


def _refuse(origin: str, value: Any, advice: str = "") -> NoReturn:
    text = repr(value.tolist() if isinstance(value, np.generic | np.ndarray) else value)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    shown = " ".join(shown.split())
    raise ValueError(f"{origin} must be an integer or a string (got {shown}){advice}")


def _to_array(distinct: Any, where: Callable[[int], str], column: str, is_text: bool) -> np.ndarray:
    values = np.asarray(distinct)
    if values.dtype.kind in "fbc":
        _refuse(f"{where(0)}: {column}", values[0], f": {_CONVERT}")
    if values.dtype == object:
        _check_types(values, where, column)
    if pd.api.types.infer_dtype(values, skipna=False) == "integer":
        limits = np.iinfo(np.int64)
        if limits.min <= values.min() and values.max() <= limits.max:
            return values.astype(np.int64)
    is_time = values.dtype.kind in "mM"
    texts = pd.Series(distinct).astype(str).tolist() if is_time else list(map(str, values.tolist()))
    if is_text and all(map(_INTEGER.fullmatch, texts)):
        return np.array(list(map(int, texts)), dtype=np.int64)
    _check_texts(texts, where, column)
    repeated = pd.Index(texts, dtype=object).duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        raise ValueError(f"{where(row)}: an id of another type is also written '{texts[row]}'")
    return text_array(texts)


def _check_texts(texts: list[str], where: Callable[[int], str], column: str) -> None:
    """Refuses texts that cannot be stored, and those that are something else but ids."""
    if texts and all(map(_LIST.fullmatch, texts)):
        _refuse(f"{where(0)}: {column}", texts[0], f": {_EXPLODE}")
    for row, text in enumerate(texts):
        if "+" in text and _SHORTENED.fullmatch(text):
            _refuse(f"{where(row)}: {column}", text, ": write out all digits")
    blank = next((i for i, text in enumerate(texts) if not text or text.isspace()), None)
    if blank is not None:
        raise ValueError(f"{where(blank)}: {column} is blank: fill in the id or drop the row")
    joined = "".join(texts)
    if "\0" in joined or not is_utf8(joined):
        row = next(i for i, text in enumerate(texts) if "\0" in text or not is_utf8(text))
        _refuse(f"{where(row)}: {column}", ascii(texts[row]), ": it holds no valid text")


def is_utf8(text: str) -> bool:
    """Returns whether a text can be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _texts(ids: np.ndarray) -> np.ndarray:
    if ids.dtype.kind in "iu":
        return ids.astype(str).astype(object)
    return np.array([str(value) for value in ids.tolist()], dtype=object)
