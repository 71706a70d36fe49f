"""Reading of arrays from .npy files, which may be damaged."""

import math
import os
from pathlib import Path

import numpy as np

_MAX_HEADER_BYTES = 10_000
_SHOWN = 200


def open_array(path: Path) -> np.ndarray:
    """Opens an :obj:`.npy` file without reading its content; nothing is unpickled.

    Raises :class:`ValueError` that names the file if it is another file, is shorter than its header
    says, or holds Python objects.
    """
    try:
        _check_header(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        assert isinstance(array, np.ndarray)
    except Exception as error:
        # An error of the system has a number; damaged headers raise errors of any type.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = f"{error or type(error).__name__}"[:_SHOWN]
        raise ValueError(f"{path} is not an array in the .npy format: {reason}") from None
    return array


def _check_header(path: Path) -> None:
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        is_first = version[0] == 1
        length = int.from_bytes(file.read(2 if is_first else 4), "little")
        if length > _MAX_HEADER_BYTES:
            raise ValueError(
                f"the header must have at most {_MAX_HEADER_BYTES} bytes (got {length})"
            )
        file.seek(np.lib.format.MAGIC_LEN)
        header = (
            np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = header(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects: save an array of numbers or texts")
        if min(shape, default=0) < 0:
            raise ValueError(f"sizes must be at least 0 (got shape {shape})")
        present = os.fstat(file.fileno()).st_size - file.tell()
        if math.prod(shape) * dtype.itemsize > present:
            raise ValueError(f"{present} bytes are not all of shape {shape} and type {dtype}")
