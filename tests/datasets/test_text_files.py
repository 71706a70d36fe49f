import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow
import pytest

from soil_pyg.datasets import growth, text_files
from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.text_files import read_lines, read_text, split_suffix

COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda text: pyarrow.compress(text, "zstd", asbytes=True),
}


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


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst", "GZ"])
def test_compressed_text(suffix: str, tmp_path: Path) -> None:
    path, whole = tmp_path / f"x.csv.{suffix}", "user,item\na,caffè\n"
    content = COMPRESS[suffix.lower()](whole.encode())
    path.write_bytes(content)
    assert read_text(path).decode() == whole
    assert split_suffix(path) == ("x", ".csv")
    for wrong in (content[:-5], b"user,item\na,b\n", content[:20] + b"\xff" * 9 + content[29:]):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=rf"x\.csv\.{suffix} cannot be decompressed"):
            read_text(path)


@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_each_stream_of_a_compressed_text_counts(suffix: str, tmp_path: Path) -> None:
    """As written by several processes, or joined."""
    path = tmp_path / f"x.csv.{suffix}"
    texts = [b"user,item\n", b"a,b\n" * 9, b"", b"c,d\n"]
    parts = [COMPRESS[suffix](text) for text in texts]
    path.write_bytes(b"".join(parts))
    assert read_text(path) == b"".join(texts)
    begin = len(parts[0]) + 14
    broken = b"".join(parts)
    for wrong in (
        broken[:begin] + bytes([broken[begin] ^ 1]) + broken[begin + 1 :],
        broken[: -len(parts[-1]) // 2],
        broken + b"garbage!",
    ):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=rf"x\.csv\.{suffix} cannot be decompressed"):
            read_text(path)


def test_xz_streams_may_be_padded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "_BLOCK_BYTES", 3)
    part = lzma.compress(b"a,b\n")
    (tmp_path / "x.csv.xz").write_bytes(part + bytes(16) + part + bytes(8))
    assert read_text(tmp_path / "x.csv.xz") == b"a,b\n" * 2


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_text_that_grows_beyond_a_table(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "SMALL", 2**20)
    path, large, small = tmp_path / f"x.csv.{suffix}", bytes(2**21), b"user,item\n" * 2**16
    for content in (large, small):
        path.write_bytes(COMPRESS[suffix](content))
        if content is small:
            assert read_text(path) == small
            continue
        with pytest.raises(ValueError, match=rf"x\.csv\.{suffix} .*200 times"):
            read_text(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_encodings_are_named(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("user,item\na,b\n", encoding)
    with pytest.raises(ValueError, match=rf"x\.csv .*{encoding.upper()}.*UTF-8"):
        read_text(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("user,item\na,b\n", f"{encoding}-le")
    with pytest.raises(ValueError, match=r"x\.csv, line 1: byte 2 \(0x00\) .*UTF-8"):
        read_text(tmp_path / "x.csv")


def test_lines_end_as_in_an_editor(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("\ufeffa\r\nb\rc\u2028\x0bd\n\ne".encode())
    assert read_lines(tmp_path / "x.txt") == ["a", "b", "c\u2028\x0bd", "", "e"]
