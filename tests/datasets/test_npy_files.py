import struct
from pathlib import Path

import numpy as np
import pytest

from soil_pyg.datasets.npy_files import open_array


def header(text: str, content: bytes = b"", version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + content


def described(dtype: str, shape: str) -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "|u1", "<i8", "<U3"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(dtype: str, order: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(3, 2).astype(dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    opened = open_array(tmp_path / "x.npy")
    assert isinstance(opened, np.memmap)
    assert opened.dtype == array.dtype
    assert opened.tolist() == array.tolist()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_all_versions_are_read(version: int, tmp_path: Path) -> None:
    content = header(described("<i8", "(2,)"), np.arange(2).tobytes(), version)
    (tmp_path / "x.npy").write_bytes(content)
    assert open_array(tmp_path / "x.npy").tolist() == [0, 1]


CONTENTS = {
    "empty": b"",
    "text": b"1,2\n3,4\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "pickle": b"\x80\x04N.",
    "magic alone": b"\x93NUMPY",
    "unknown version": header(described("<f4", "(1, 1)"), bytes(4), 9),
    "negative shape": header(described("<f4", "(-5, 16)"), bytes(320)),
    "huge shape": header(described("<i8", "(1000000000000,)"), bytes(320)),
    "overflowing shape": header(described("<i8", "(4294967296, 4294967296)"), bytes(320)),
    "zero and negative": header(described("<f4", "(0, -1)")),
    "huge type": header(described("<U500000000", "(40,)"), bytes(320)),
    "one byte less": header(described("<f8", "(2, 2)"), bytes(31)),
    "objects": header(described("|O", "(2,)"), bytes(320)),
    "unknown type": header(described("<q99", "(2,)"), bytes(320)),
    "fractional shape": header(described("<f4", "(1.5, 2)"), bytes(320)),
    "shape of words": header(described("<f4", "('a',)"), bytes(320)),
    "no shape": header("{'descr': '<f4', 'fortran_order': False}", bytes(320)),
    "code": header("__import__('os').abort()", bytes(320)),
    "nested": header("(" * 5000),
    "nested, second version": header("[" * 9000, version=2),
    "quotes": header("'" * 3),
    "bomb": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_that_lie_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(CONTENTS[name])
    with pytest.raises(ValueError, match=rf"^{path} is not .* \.npy format: ") as error:
        open_array(path)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_array(tmp_path / "x.npy")
