from pathlib import Path

import pytest

from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.text_files import read_text


def test_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("user,item\na,caffè\n".encode())
    assert read_text(path).decode() == "user,item\na,caff\u00e8\n"
    path.write_bytes(b"user,item\na,b\ncaf\xe9,c\n")
    with pytest.raises(ValueError, match=r"x\.csv, line 3: byte 4 \(0xe9\) .*UTF-8"):
        read_text(path)


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
