from pathlib import Path

import pytest

from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.text_files import check_utf8


def test_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("user,item\na,caffè\n".encode())
    check_utf8(path)
    path.write_bytes(b"user,item\na,b\ncaf\xe9,c\n")
    with pytest.raises(ValueError, match=r"x\.csv, line 3: byte 4 \(0xe9\) .*UTF-8"):
        check_utf8(path)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_tables_in_another_encoding_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    lines = {
        "csv": "user,item\n1,2\n1,é\n",
        "tsv": "user\titem\n1\té\n",
        "jsonl": '{"user": 1, "item": "a"}\n{"user": 1, "item": "é"}\n',
    }
    path.write_text(lines[suffix], "latin-1")
    with pytest.raises(ValueError, match=r"line [23]: byte \d+ \(0xe9\) .*UTF-8"):
        read_table(path, "x", ["user", "item"])


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json"])
def test_json_lines(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_text(
        '{"user": 7, "item": "2024-01-01", "day": "2024-05-06", "v": [1, 2]}\n'
        "\n"
        '{"item": "2024-01-02", "user": 8, "day": "2024-05-07", "other": null}\n'
    )
    table = read_table(path, "x", ["user", "item"], ["day"])
    assert set(table.frame.columns) == {"user", "item", "day"}
    assert table.frame["user"].tolist() == [7, 8]
    assert table.frame["item"].tolist() == ["2024-01-01", "2024-01-02"]
    assert table.frame["day"].dtype.kind == "M"
    assert not table.is_text
    assert table.where(0) == f"{path}, line 1"
    assert table.where(1) == f"{path}, line 3"
    assert table.source == str(path)
    assert read_table(path, "x", ["user"]).frame["v"][0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.jsonl .*Empty JSON file"),
        ("[1]\n", "x.jsonl, line 1: "),
        ('{"user": 1}\n\n{"user": 1\n', "x.jsonl, line 3: "),
        ('[{"user": 1},\n {"user": 2}]\n', "x.jsonl, line 1: "),
        ('{"user": 1}\n{"user": "a"}\n', r"x.jsonl .*/user\) changed from number"),
        ('{"item": 1}\n', r"x.jsonl: .*'user' .*missing \(got \['item'\]\)"),
    ],
)
def test_json_lines_that_cannot_be_read_are_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "x.jsonl", "x", ["user"])
