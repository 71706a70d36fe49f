from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from soil_pyg.datasets.frames import ColumnError, read_table
from soil_pyg.datasets.ids import read_ids


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
        "a.dat": ("", r"'x' .*\.csv, \.tsv, .*\.parquet .*\.jsonl .*\(got .*a\.dat\)"),
        "a.txt": ("", r"a\.txt .*empty"),
        "a.csv": ("user,user\n1,2\n", r"a\.csv, line 1: .*'user' .*twice"),
        "b.csv": ("", r"b\.csv"),
        "c.csv": ('user\n"1\n', r"c\.csv"),
        "g.csv": ("user,item\nDoe, John,2\n", r"g\.csv, line 2: .* 2 "),
        "h.csv": ("user,item\n1,2\n1,2,3\n", r"h\.csv, line 3: .* 2 .*\(got 3 in '1,2,3'\)"),
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
    table = pyarrow.table([[1], [2], [3]], names=["user", "v", "v"])
    pyarrow.parquet.write_table(table, tmp_path / "i.parquet")
    with pytest.raises(ColumnError, match=r"i\.parquet: .*'v' .*twice"):
        read_table(tmp_path / "i.parquet", "x", ["user"])
    assert list(read_table(tmp_path / "i.parquet", "x", ["user"], []).frame) == ["user"]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"user": np.arange(10_000), "item": "a"}).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[4:3000] = bytes(2996)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.parquet"):
        read_table(path, "x", ["user", "item"])


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_second_header_is_refused(suffix: str, quote: str, tmp_path: Path) -> None:
    delimiter = "," if suffix == ".csv" else "\t"
    rows = [
        ("user", "item", "day"),
        ("ann", "tea", "1"),
        ("user", "tea", "2"),
        ("user", "item", "3"),
    ]
    lines = [delimiter.join(f"{quote}{value}{quote}" for value in row) for row in rows]
    path = tmp_path / f"x{suffix}"
    path.write_text("\n".join(lines))
    assert len(read_table(path, "interactions", ["user", "item"]).frame) == 3
    path.write_text("\n".join([*lines, lines[0], lines[1]]))
    with pytest.raises(ValueError, match="line 5: the line repeats the header"):
        read_table(path, "interactions", ["user", "item"])
