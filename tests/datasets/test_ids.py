import uuid

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.ids import find_ids, read_ids

UUIDS = [uuid.UUID(int=2), uuid.UUID(int=1)]


def row_name(row: int) -> str:
    return f"row {row}"


@pytest.mark.parametrize(
    ("values", "expected", "positions"),
    [
        ([7, -2, 7], [-2, 7], [1, 0, 1]),
        (np.array([7, 2], dtype=np.uint8), [2, 7], [1, 0]),
        (pd.Series([7, 2], dtype="Int64"), [2, 7], [1, 0]),
        (pd.Series([7, 2], dtype=object), [2, 7], [1, 0]),
        (["b", "a", "B"], ["B", "a", "b"], [2, 1, 0]),
        (pd.Series(["10", "9"]), ["10", "9"], [0, 1]),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"], [1, 0]),
        (pd.Series([9, 3], dtype="category"), [3, 9], [1, 0]),
        (UUIDS, [str(UUIDS[1]), str(UUIDS[0])], [1, 0]),
        ([1, "x"], ["1", "x"], [0, 1]),
        ([2**64 - 1, 1], ["1", str(2**64 - 1)], [1, 0]),
        ([], [], []),
    ],
)
def test_ids_of_any_type_are_numbered(
    values: object, expected: list[object], positions: list[int]
) -> None:
    ids = read_ids(values, row_name)
    assert ids.values.tolist() == expected
    assert ids.position.tolist() == positions
    if expected:
        assert ids.values.dtype.kind == ("i" if isinstance(expected[0], int) else "U")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", None, "b"], "row 1: .*missing"),
        ([1, 2, float("nan")], "row 2: .*missing"),
        (pd.Series([1, None], dtype="Int64"), "row 1: .*missing"),
        ([1.0, 2.0], r"row 0: .*\(got 1.0\)"),
        ([True, False], r"row 0: .*\(got True\)"),
        (["a", 1, "a", "1"], "row 3: .*type.*'1'"),
    ],
)
def test_ids_that_cannot_be_right_are_refused(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_ids(values, row_name)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["10", "9", "-1", "0"], [-1, 0, 9, 10]),
        (["007", "7"], ["007", "7"]),
        (["1", "x"], ["1", "x"]),
        (["1.0"], ["1.0"]),
        (["-0"], ["-0"]),
        (["1" * 19], ["1" * 19]),
    ],
)
def test_ids_in_text_become_integers_if_nothing_is_lost(
    texts: list[str], expected: list[object]
) -> None:
    assert read_ids(texts, row_name, is_text=True).values.tolist() == expected


def test_find_ids() -> None:
    known = np.array(["a", "12", "b"])
    assert find_ids(np.array(["b", "z"]), known).tolist() == [2, -1]
    assert find_ids(np.array([12, 1]), known).tolist() == [1, -1]
