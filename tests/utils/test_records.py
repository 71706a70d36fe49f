import json
import os
from pathlib import Path
from typing import Literal

import pytest

from soil_pyg.utils.files import digest_of
from soil_pyg.utils.records import (
    CHECKSUM,
    DamagedFileError,
    Schema,
    check_files,
    parse_json,
    read_record,
    validate,
    write_record,
)

RECORD = {"format": 1, "text": "ä", "numbers": [0.1, 10**20, -1], "none": None, "nested": {"a": 1}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff", "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 200_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b"[NaN]", "NaN is not finite"),
        (b"[-Infinity]", "not finite"),
        (b"[1e999]", "1e999 is not finite"),
        (b"[" + b"1" * 5000 + b"]", "digits"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"{} {}", "Extra data"),
        (b"'a'", "Expecting value"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(content)


def test_numbers_that_are_not_finite_are_read_where_they_may_be() -> None:
    assert parse_json(b"[NaN, 1e999]", finite=False)[1] == float("inf")


def test_a_record_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_record(path, RECORD | {"tuple": (1, 2)})
    assert read_record(path, 1, "mend it") == RECORD | {"tuple": [1, 2]}
    stored = json.loads(path.read_text("utf-8"))
    assert stored.pop(CHECKSUM) == digest_of(dict(reversed(stored.items())))
    path.write_text(json.dumps(stored))
    assert read_record(path, 1, "mend it") == stored


def test_no_flipped_bit_in_a_record_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_record(path, RECORD)
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        found = damage = None
        try:
            found = read_record(path, 1, "mend it")
        except DamagedFileError as error:
            damage = error.path, error.remedy
        # Without its name the checksum is a value like others, which schemas refuse.
        assert damage == (path, "mend it") or found == RECORD or found.keys() - RECORD.keys()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "has no format"),
        ("{}", "has no format"),
        ('{"format": 2}', r"must have format 1 \(got 2\)"),
        ('{"format": 1, "checksum": null, "a": NaN}', "NaN"),
        ('{"format": 1, "checksum": "0"}', "has changed"),
        ('{"format": 1, "checksum": 3}', "has changed"),
    ],
)
def test_other_records_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DamagedFileError, match=f"x.json' .*{reason}.*: mend it"):
        read_record(tmp_path / "x.json", 1, "mend it")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no x\.json: mend it"):
        read_record(tmp_path / "x.json", 1, "mend it")
    (tmp_path / "folder").mkdir()
    # Opening a pipe that nobody writes to would wait for ever.
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(DamagedFileError, match=f"{name}' is not a file: mend it"):
            read_record(tmp_path / name, 1, "mend it")


class Example(Schema):
    format: Literal[1]
    counts: list[int]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"counts": [1, "2"]}, r"counts\.1: .*got '2'"),
        ({"counts": [True]}, r"counts\.0: .*got True"),
        ({"other": 1}, "other: "),
        ({"format": 3}, "format: .*got 3"),
        ({"counts": "x" * 10_000}, "counts: .{,150}$"),
    ],
)
def test_a_schema_names_the_first_fault(changes: dict, reason: str, tmp_path: Path) -> None:
    value = {"format": 1, "counts": [1]}
    assert validate(Example, value, tmp_path / "x", "mend it").counts == [1]
    with pytest.raises(DamagedFileError, match=f"x' is damaged \\({reason}"):
        validate(Example, value | changes, tmp_path / "x", "mend it")


def test_files_beside_a_record_are_those_of_their_digests(tmp_path: Path) -> None:
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    record = tmp_path / "run.json"
    with pytest.raises(FileNotFoundError, match="'" + str(tmp_path) + "' has no x: mend it"):
        check_files(record, {"x": digest}, ["x"], "mend it")
    (tmp_path / "x").touch()
    check_files(record, {"x": digest}, ["x"], "mend it")
    for digests in ({"x": "0" * 64}, {}):
        with pytest.raises(DamagedFileError, match=r"x' .*run\.json: mend it"):
            check_files(record, digests, ["x"], "mend it")
