"""Quoted fields of separated text."""

import re
from typing import NamedTuple

import numpy as np

_LINE_ENDS = (b"\n", b"\r")


class Quotes(NamedTuple):
    """The quoted fields of a text."""

    spans: np.ndarray
    """The start and the end of each field that holds line ends, of shape (n, 2)."""
    fault: int | None = None
    """The start of the first field that is not closed or is followed by text."""
    is_strict: bool = True
    """Is set if all quotation marks belong to quoted fields."""
    has_doubled: bool = False
    """Is set if a field holds a quotation mark, which is doubled."""


def find_quotes(content: bytes, delimiter: str) -> Quotes:
    r"""Finds the quoted fields of a text up to the first fault.

    Example:
        >>> find_quotes(b'user,item\nann,"green\ntea"\n', ",").spans.tolist()
        [[14, 24]]
    """
    edge = delimiter.encode()
    # Several times faster than the loop, for the text of most tables.
    field = rb'"(?<![^%b\n\r]")[^"]*(?:""[^"]*){0,999}"(?![^%b\n\r])' % (edge, edge)
    others, num_fields = re.subn(field, b"", content)
    if b'"' not in others and all(others.count(end) == content.count(end) for end in _LINE_ENDS):
        return Quotes(_array([]), has_doubled=content.count(b'"') > 2 * num_fields)
    edges = (b"", edge, *_LINE_ENDS)
    spans: list[tuple[int, int]] = []
    is_strict, has_doubled = True, False
    start = content.find(b'"')
    while start >= 0:
        if content[max(start - 1, 0) : start] not in edges:
            is_strict = False
            start = content.find(b'"', start + 1)
            continue
        end = content.find(b'"', start + 1)
        while content[end + 1 : end + 2] == b'"' and end >= 0:
            has_doubled = True
            end = content.find(b'"', end + 2)
        if end < 0 or content[end + 1 : end + 2] not in edges:
            return Quotes(_array(spans), start, False, has_doubled)
        if content.find(b"\n", start, end) >= 0 or content.find(b"\r", start, end) >= 0:
            spans.append((start, end))
        start = content.find(b'"', end + 1)
    return Quotes(_array(spans), None, is_strict, has_doubled)


def is_quoted(quotes: Quotes, offset: int | np.ndarray) -> np.ndarray:
    """Returns the mask of the offsets that are inside of one of the spans."""
    starts, ends = quotes.spans.T
    return np.searchsorted(starts, offset) > np.searchsorted(ends, offset)


def _array(spans: list[tuple[int, int]]) -> np.ndarray:
    return np.array(spans, dtype=np.int64).reshape(-1, 2)
