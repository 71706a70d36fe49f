"""Tensors in a file that are read block by block. A mapped file counts as memory of a process whose
memory is limited, a file that is read does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soil_pyg.datasets.tensors import DIGEST, tensor_digest, tensor_places
from soil_pyg.utils.progress import blocks
from soil_pyg.utils.records import DamagedFileError, check_regular, parse_json

BLOCK_BYTES = 2**22
"""The bytes that are read at a time."""
DTYPES = {
    **{"F64": torch.double, "F32": torch.float, "F16": torch.half, "BF16": torch.bfloat16},
    **{"I64": torch.long, "I32": torch.int, "U8": torch.uint8, "BOOL": torch.bool},
}
"""The types of tensors, by their names in the format."""


@dataclass(frozen=True)
class StoredTable:
    """A tensor in a file, whose rows are read in blocks.

    Args:
        path (Path): The file.
        begin (int): The position of its first byte.
        shape (list[int]): Its shape.
        dtype (torch.dtype): Its type.
    """

    path: Path
    begin: int
    shape: list[int]
    dtype: torch.dtype

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yields blocks of rows with their content."""
        row_bytes = self.dtype.itemsize
        for size in self.shape[1:]:
            row_bytes *= size
        num_rows = max(1, BLOCK_BYTES // max(1, row_bytes))
        with open(self.path, "rb") as file:
            file.seek(self.begin)
            for rows in blocks(self.shape[0], num_rows, f"Reading {self.path.name}"):
                content = bytearray(file.read((rows.stop - rows.start) * row_bytes))
                values = torch.frombuffer(content, dtype=self.dtype)
                yield rows, values.view(-1, *self.shape[1:])


def stored_tables(path: Path, key: str, remedy: str) -> dict[str, StoredTable]:
    """Returns the tensors in a file written by :func:`~soil_pyg.datasets.tensors.write_tensors`
    without reading them, apart from their digest.

    Args:
        path (Path): The file.
        key (str): The key of its header.
        remedy (str): A command that writes the file again.

    Raises:
        FileNotFoundError: If there is no file.
        DamagedFileError: If its content is not as it was written.
    """
    check_regular(path, remedy)
    try:
        found, shapes = _header(path, key)
        content = {name: value for name, value in found.items() if name != DIGEST}
        if tensor_digest(shapes, content, path) != found.get(DIGEST):
            raise ValueError("it has changed since it was written")
        places = tensor_places(path)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise DamagedFileError(path, f"is damaged ({error!r})", remedy) from error
    return {
        name: StoredTable(path, places[name][0], list(x.shape), x.dtype)
        for name, x in shapes.items()
    }


def _header(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Returns the header under a key, and tensors without content."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size - 8:
            raise ValueError("it is cut off")
        header = parse_json(file.read(size))
    own = parse_json(header.pop("__metadata__")[key], finite=False)
    shapes = {
        name: torch.empty(at["shape"], dtype=DTYPES[at["dtype"]], device="meta")
        for name, at in header.items()
    }
    return own, shapes
