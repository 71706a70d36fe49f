import re
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.ids import find_ids, join_ids, read_ids, text_array, union_ids

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
        ([1, True], r"row 1: .*\(got True\)"),
        ([1, 1.0, "x"], r"row 1: .*\(got 1.0\)"),
        (pd.Series([0.5, None]), "row 1: .*missing"),
        (pd.Series([0.5, 1], name="user"), r"row 0: 'user' .*\(got 0.5\)"),
        ([["a", "b"], ["c"]], r"row 0: .*\(got \['a', 'b'\]\): .*explode"),
        ([np.array([1, 2]), np.array([3, 4])], r"row 0: .*\(got \[1, 2\]\): .*explode"),
        (["a", ("b", 1)], r"row 1: .*\(got \('b', 1\)\): .*explode"),
        (["a", {"b": 1}], r"row 1: .*\(got \{'b': 1\}\)"),
        (["a", b"b"], r"row 1: .*\(got b'b'\): .*bytes"),
        ([1, Decimal("2")], r"row 1: .*\(got Decimal\('2'\)\)"),
        (pd.Series([1j]), r"row 0: .*\(got 1j\)"),
        (["a", "b\0"], "row 1: .*text"),
        (["a", "\ud800"], "row 1: .*text"),
        (["['a', 'b']", "['c', 'd']"], "row 0: .*explode"),
        (pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))), "row 0: .*explode"),
        (pd.Series([b"a"], dtype=pd.ArrowDtype(pa.binary())), "row 0: .*bytes"),
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
        (["\u0661\u0662"], ["\u0661\u0662"]),
        (["+1"], ["+1"]),
        (["1e5", "2"], ["1e5", "2"]),
    ],
)
def test_ids_in_text_become_integers_if_nothing_is_lost(
    texts: list[str], expected: list[object]
) -> None:
    assert read_ids(texts, row_name, is_text=True).values.tolist() == expected


@pytest.mark.parametrize("text", ["1e+05", "1.5E+12", "1,23450E+15", "-2.E+300"])
@pytest.mark.parametrize("other", ["100001", "ann"])
def test_numbers_that_were_shortened_are_refused(text: str, other: str) -> None:
    with pytest.raises(ValueError, match=rf"row 1: .*\(got '{re.escape(text)}'\).*all digits"):
        read_ids([other, text], row_name, is_text=True)


def test_codes_are_no_shortened_numbers() -> None:
    codes = ["1e5", "A1E+05", "1E+5", "1.2.3E+05", "1E+05x"]
    assert read_ids(codes, row_name, is_text=True).values.tolist() == sorted(codes)


ODD = ["007", "7", "nan", "NA", "null", "None", " a", "a ", "1e5", "1.0", "True", "-1", "\u00e9"]
ODD += [
    "e\u0301",
    "\U0001f35b",
    "a,b",
    "a\tb",
    'a"b',
    "'",
    '"',
    "a\nb",
    "\u0661",
    "#",
    "\\N",
    "x" * 9999,
]


def written(frame: pd.DataFrame, suffix: str, folder: Path) -> Any:
    """Returns a table in one of the forms that are read."""
    path = folder / f"x.{suffix}"
    if suffix == "frame":
        return frame
    if suffix == "category":
        return frame.astype("category")
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    return path


@pytest.mark.parametrize(
    "suffix", ["frame", "csv", "tsv", "csv.gz", "jsonl", "parquet", "category"]
)
def test_odd_ids_come_back_as_written(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": ODD, "item": ODD[::-1]})
    table = read_table(written(frame, suffix, tmp_path), "x", ["user", "item"])
    for column in ("user", "item"):
        ids = table.ids(column)
        assert ids.values[ids.position].tolist() == frame[column].tolist()
        assert ids.values.tolist() == sorted(ODD)
    assert find_ids(np.array(ODD, dtype=object), ids.values).tolist() == [
        sorted(ODD).index(text) for text in ODD
    ]


@pytest.mark.parametrize("blank", ["", " ", "\u00a0\t"])
@pytest.mark.parametrize("suffix", ["frame", "category", "csv", "tsv", "jsonl", "parquet"])
def test_blank_ids_are_missing(suffix: str, blank: str, tmp_path: Path) -> None:
    source = written(pd.DataFrame({"user": ["a", "b", blank], "n": 1}), suffix, tmp_path)
    with pytest.raises(ValueError, match=r"(row 2|line [34]): 'user' is (blank|missing)"):
        read_table(source, "x", ["user"]).ids("user")


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, 2**53 + 1, 0])
def test_integers_of_64_bits_come_back(value: int, tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [value, 5]})
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    frame.to_csv(tmp_path / "x.csv", index=False)
    for name in ("x.parquet", "x.jsonl", "x.csv"):
        ids = read_table(tmp_path / name, "x", ["user"]).ids("user")
        assert list(map(str, ids.values[ids.position])) == [str(value), "5"]


def test_times_and_days_are_ids_as_pandas_writes_them() -> None:
    days = pd.Series(pd.to_datetime(["2024-01-02", "2024-01-01"]))
    assert read_ids(days, row_name).values.tolist() == ["2024-01-01", "2024-01-02"]
    assert read_ids(days.dt.date, row_name).values.tolist() == ["2024-01-01", "2024-01-02"]


def test_one_long_id_does_not_make_all_of_them_long() -> None:
    texts = [f"u{i}" for i in range(20_000)] + ["x" * 100_000]
    ids = read_ids(texts, row_name)
    assert ids.values.dtype == object
    assert ids.values.tolist() == sorted(texts)
    assert text_array(texts[:-1]).dtype == "<U6"
    assert find_ids(ids.values[[5, -1]], ids.values).tolist() == [5, 20_000]


def test_union_ids() -> None:
    integers, texts = np.array([3, 1]), text_array(["b", "3"])
    assert union_ids([integers, integers + 1]).tolist() == [1, 2, 3, 4]
    assert union_ids([integers, texts]).tolist() == ["1", "3", "b"]


def test_join_ids() -> None:
    integers, texts = np.array([3, 1]), text_array(["b", "3"])
    assert join_ids(integers, integers).tolist() == [3, 1, 3, 1]
    assert join_ids(integers, texts).tolist() == ["3", "1", "b", "3"]
    assert join_ids(text_array(["a"] * 20_000), text_array(["x" * 100_000])).dtype == object


def test_find_ids() -> None:
    known = np.array(["a", "12", "b"])
    assert find_ids(np.array(["b", "z"]), known).tolist() == [2, -1]
    assert find_ids(np.array([12, 1]), known).tolist() == [1, -1]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("kinds", [(int, int), (str, str), (int, str), (str, int)])
def test_find_ids_agrees_with_a_dictionary_whatever_the_blocks(
    size: int, kinds: tuple[type, type], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_pyg.datasets.ids._IDS_PER_BLOCK", size)
    rng = np.random.default_rng(0)
    known, ids = rng.permutation(40)[:20] - 5, rng.integers(-10, 50, size=60)
    place = {str(value): n for n, value in enumerate(known)}
    expected = [place.get(str(value), -1) for value in ids]
    assert find_ids(ids.astype(kinds[0]), known.astype(kinds[1])).tolist() == expected


def test_texts_of_integers_are_compared_as_written() -> None:
    known = np.array([5, -3, 2**62])
    ids = np.array(["05", "5", "+5", "5.0", "-3", str(2**62), "x"], dtype=object)
    assert find_ids(ids, known).tolist() == [-1, 0, -1, -1, 1, 2, -1]
    assert find_ids(np.array([], dtype=object), known).tolist() == []
