import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.frames import ColumnError, find_ids, read_ids, read_table

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


def test_ids_in_text_files_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("item,user,note\nNA,007,1\nnull,8,2\n")
    table = read_table(path, "interactions", ["user", "item"], [])
    assert table.frame["item"].tolist() == ["NA", "null"]
    assert table.frame["user"].tolist() == ["007", "8"]
    assert set(table.frame.columns) == {"item", "user"}
    assert table.where(0) == f"{path}, line 2"
    assert table.is_text


def test_blank_lines_count(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("user,item\na,b\n\na,c\n")
    table = read_table(tmp_path / "x.csv", "interactions", ["user", "item"], [])
    with pytest.raises(ValueError, match=r"x\.csv, line 3: .*missing"):
        read_ids(table.frame["user"], table.where, table.is_text)


def test_an_index_in_a_parquet_file_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"v": [1, 2]}, index=pd.Index([5, 6], name="item")).to_parquet(path)
    table = read_table(path, "features", ["item"])
    assert table.frame["item"].tolist() == [5, 6]
    assert table.where(1) == f"{path}, row 1"


def test_tables_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2]], columns=["user", "user"])
    for column, problem in (("item", "missing"), ("user", "twice")):
        message = rf"'x': .*'{column}' .*{problem} \(got \['user', 'user'\]\)"
        with pytest.raises(ColumnError, match=message) as error:
            read_table(frame, "x", ["user"] if column == "user" else [], [column])
        assert error.value.column == column
    with pytest.raises(FileNotFoundError, match=r"'x': .*nowhere\.csv"):
        read_table(tmp_path / "nowhere.csv", "x", ["item"])
    contents = {
        "a.txt": ("", r"'x' .*\.csv, \.tsv, \.parquet .*\.jsonl .*\(got .*a\.txt\)"),
        "a.csv": ("user,user\n1,2\n", r"a\.csv, line 1: .*'user' .*twice"),
        "b.csv": ("", r"b\.csv"),
        "c.csv": ('user\n"1\n', r"c\.csv"),
        "g.csv": ("user,item\nDoe, John,2\n", r"g\.csv, line 2: .* 2 "),
        "h.csv": ("user,item\n1,2\n1,2,3\n", r"h\.csv .* line 3, saw 3"),
        "d.tsv": ("user,item\n1,2\n", r"d\.tsv, line 1: .*'user' .*missing"),
        "e.parquet": ("no", r"e\.parquet"),
    }
    for name, (content, message) in contents.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=message):
            read_table(tmp_path / name, "x", ["user"])
    pd.DataFrame({"v": [1]}).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(ColumnError, match=r"f\.parquet: .*'user' .*missing \(got \['v'\]\)"):
        read_table(tmp_path / "f.parquet", "x", ["user"])


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"user": np.arange(10_000), "item": "a"}).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[4:3000] = bytes(2996)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.parquet"):
        read_table(path, "x", ["user", "item"])
