import errno
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from jsonargparse import Namespace

from soil_pyg.cli import output

FIRST = pd.DataFrame(
    {"user": ["ann", "[b]bö", "ann,2"], "rank": [1, 2, 3], "score": np.float32([0.1, 2e-5, -1])}
)
SECOND = pd.DataFrame({"user": ['ann "x"'], "rank": [4], "score": np.float32([7])})
BOTH = pd.concat([FIRST, SECOND], ignore_index=True)


def blocks() -> Iterator[pd.DataFrame]:
    yield FIRST
    yield SECOND


def test_csv(capfd: pytest.CaptureFixture[str]) -> None:
    output.write(blocks(), "csv")
    found = pd.read_csv(io.StringIO(capfd.readouterr().out), dtype={"score": "float32"})
    pd.testing.assert_frame_equal(found, BOTH)


@pytest.mark.parametrize("file_format", ["json", "jsonl"])
def test_json_is_one_document_and_jsonl_one_object_per_line(
    capfd: pytest.CaptureFixture[str], file_format: output.Format
) -> None:
    output.write(blocks(), file_format)
    out = capfd.readouterr().out
    is_one = file_format == "json"
    rows = json.loads(out) if is_one else [json.loads(line) for line in out.splitlines()]
    assert [list(row) for row in rows] == [["user", "rank", "score"]] * 4
    pd.testing.assert_frame_equal(pd.DataFrame(rows).astype({"score": "float32"}), BOTH)
    assert "bö" in out


@pytest.mark.parametrize("file_format", ["csv", "json", "jsonl", "parquet"])
def test_numbers_keep_all_digits(tmp_path: Path, file_format: output.Format) -> None:
    numbers = [1 / 3, float(np.float32(0.0927)), 5e-324, -1e-20, 1.7976931348623157e308, 0.1 + 0.2]
    output.write(pd.DataFrame({"score": numbers}), file_format, str(tmp_path / "a"))
    text = (tmp_path / "a").read_bytes()
    found = {
        "csv": lambda: [float(line) for line in text.split()[1:]],
        "json": lambda: [row["score"] for row in json.loads(text)],
        "jsonl": lambda: [json.loads(line)["score"] for line in text.splitlines()],
        "parquet": lambda: pd.read_parquet(tmp_path / "a")["score"].tolist(),
    }[file_format]()
    assert found == numbers


def test_values_of_any_type_are_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    frame = pd.DataFrame(
        {
            "part": pd.array([1, None, 3], dtype="Int64"),
            "value": [np.inf, np.nan, -2.0],
            "is_known": [True, False, True],
            "vector": [np.float32([0.5, 2]), [1, 2], None],
            "id": ['a"b', "ß", None],
            "day": pd.to_datetime(["2026-01-02", None, "2026-01-03"]),
        }
    )
    output.write(frame, "json")
    assert json.loads(capfdbinary.readouterr().out) == [
        {
            **{"part": 1, "value": None, "is_known": True, "vector": [0.5, 2.0]},
            **{"id": 'a"b', "day": "2026-01-02 00:00:00"},
        },
        {
            **{"part": None, "value": None, "is_known": False, "vector": [1, 2]},
            **{"id": "ß", "day": None},
        },
        {
            **{"part": 3, "value": -2.0, "is_known": True, "vector": None},
            **{"id": None, "day": "2026-01-03 00:00:00"},
        },
    ]


def test_parquet_has_one_row_group_per_block(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    output.write(blocks(), out=str(tmp_path / "a.parquet"))
    file = pyarrow.parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 2
    pd.testing.assert_frame_equal(file.read().to_pandas(), BOTH)
    output.write(blocks(), "parquet")
    out = capfdbinary.readouterr().out
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(out)), BOTH)


def test_a_block_without_values_has_the_type_of_the_others(tmp_path: Path) -> None:
    names = [pd.array(names, dtype="string") for names in (["tea"], [None], [])]
    titled = [pd.DataFrame({"item": [7] * len(column), "title": column}) for column in names]
    for number, order in enumerate((titled, titled[::-1])):
        path = tmp_path / f"{number}.parquet"
        output.write(iter(order), out=str(path))
        assert sorted(pd.read_parquet(path)["title"].dropna()) == ["tea"]


@pytest.mark.parametrize("file_format", ["table", "csv", "json", "jsonl", "parquet"])
def test_no_rows(tmp_path: Path, file_format: output.Format) -> None:
    output.write(FIRST[:0], file_format, str(tmp_path / "a"))
    content = (tmp_path / "a").read_bytes()
    assert (b"user" in content) == (file_format not in ("json", "jsonl"))
    if file_format == "json":
        assert json.loads(content) == []
    if file_format == "parquet":
        assert pyarrow.parquet.read_schema(tmp_path / "a").names == list(FIRST)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", "csv"), ("a.json", "json"), ("a.jsonl", "jsonl"), ("a.txt", "table")],
)
def test_format_by_the_name_of_the_file(tmp_path: Path, name: str, expected: str) -> None:
    assert output.check(None, str(tmp_path / name)) == expected
    assert output.check("parquet", str(tmp_path / name)) == "parquet"


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"'--out'.*'--format'.*a\.xls'"):
        output.check(None, str(tmp_path / "a.xls"))
    with pytest.raises(ValueError, match=r"'--out'.*" + re.escape(f"'{tmp_path}'")):
        output.check("csv", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"'--out'.*no/a\.csv'"):
        output.check("csv", str(tmp_path / "no" / "a.csv"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with pytest.raises(ValueError, match=r"'--format parquet'.*'--out'"):
        output.check("parquet", None)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail() -> Iterator[pd.DataFrame]:
        yield FIRST
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        output.write(fail(), out=str(path))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_or_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    output.write(FIRST, out=str(pipe))
    assert os.read(reader, 1000).startswith(b"user,rank,score")
    os.close(reader)
    assert pipe.is_fifo()


def test_a_link_still_leads_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    output.write(FIRST, out=str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "a.csv").read_text().startswith("user,rank,score")


def test_the_error_names_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError) as error:
        output.write(FIRST, out=str(tmp_path / "a.csv"))
    assert error.value.filename == str(tmp_path / "a.csv")


def test_a_closed_standard_output_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.sys, "stdout", None)
    with pytest.raises(ValueError, match="'--out'"):
        output.check("csv", None)
    assert output.check(None, "a.csv") == "csv"


@pytest.mark.parametrize("given", ["users.csv", "./users.csv", "link.csv"])
def test_a_file_that_is_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.csv").write_text("user\n1\n")
    (tmp_path / "link.csv").symlink_to("users.csv")
    for name, value in {
        "users_file": "users.csv",
        "runs": ["RUN", Path("users.csv")],
        "features": {"image": str(tmp_path / "users.csv")},
        "new_items": ["image=users.csv"],
    }.items():
        arguments = Namespace(format=None, out=given, **{name: value})
        with pytest.raises(ValueError, match=rf"'--out'.*'--{name.replace('_', '-')}'"):
            output.check_arguments(arguments)
    for out in (given, "new.csv", None):
        other = Namespace(format="csv", out=out, users_file="others.csv", k=3, deny=None)
        assert output.check_arguments(other) == "csv"
