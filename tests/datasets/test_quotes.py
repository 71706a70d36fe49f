import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soil_pyg.datasets.quotes import find_quotes, is_quoted


@pytest.mark.parametrize(
    ("text", "fault", "is_strict", "has_doubled"),
    [
        ("a,b\n", None, True, False),
        ('"a",b\n', None, True, False),
        ('"a""",b\n', None, True, True),
        ('a",b\n', None, False, False),
        ('a "x" b,c\n', None, False, False),
        ('"a" x,b\n', 0, False, False),
        ('a,"b\nc\n', 2, False, False),
        ('a,"b""\nc\n', 2, False, True),
        ('a,""\n', None, True, False),
        ('"', 0, False, False),
    ],
)
def test_faults(text: str, fault: int | None, is_strict: bool, has_doubled: bool) -> None:
    quotes = find_quotes(text.encode(), ",")
    assert (quotes.fault, quotes.is_strict, quotes.has_doubled) == (fault, is_strict, has_doubled)


@given(st.lists(st.lists(st.text('ab"\n\r,', max_size=5), min_size=2, max_size=2), min_size=1))
def test_line_ends_outside_of_quotes_end_records(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    content = text.getvalue().encode()
    quotes = find_quotes(content, ",")
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n"))
    assert quotes.fault is None
    assert quotes.is_strict
    assert (~is_quoted(quotes, ends)).sum() == len(rows)
