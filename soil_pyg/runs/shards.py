r"""Tables whose rows lie in several files: of :math:`W` files, the file :math:`i \bmod W` holds row
:math:`i`.
"""

from collections.abc import Sequence
from math import gcd
from pathlib import Path

import torch
from torch import Tensor

from soil_pyg.datasets.stored_table import StoredTable, stored_tables
from soil_pyg.runs.schema import REMEDY
from soil_pyg.runs.tensor_file import KEY
from soil_pyg.utils.records import DamagedFileError

SHARDS = "shards"
"""The folder of the files, in the folder of a run."""


def shard_paths(folder: Path, name: str, size: int) -> list[Path]:
    """Returns the paths of the files of all processes in a folder."""
    paths = (f"{name}.{rank}-of-{size}.safetensors" for rank in range(size))
    return [folder / path for path in paths]


class Shards:
    """The tables in several files, which are read in blocks.

    Args:
        paths (Sequence[Path]): The files, in the order of their ranks.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedFileError: If the content of a file is not as it was written.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._files = [stored_tables(path, KEY, REMEDY) for path in paths]

    def names(self) -> list[str]:
        """Returns the names of the tables."""
        return sorted(self._files[0])

    def _parts(self, name: str, num_rows: int, num_columns: int | None = None) -> list[StoredTable]:
        parts = []
        for rank, (path, file) in enumerate(zip(self._paths, self._files, strict=True)):
            shape = [] if name not in file else file[name].shape
            num_own = len(range(rank, num_rows, len(self._files)))
            if len(shape) != 2 or shape[0] != num_own or num_columns not in (None, shape[1]):
                reason = f"does not fit the model ('{name}' has the shape {shape})"
                raise DamagedFileError(path, reason, REMEDY)
            parts.append(file[name])
        return parts

    def read(self, name: str, target: Tensor, num_rows: int, rank: int, size: int) -> None:
        """Copies the rows :obj:`rank::size` of a table of :obj:`num_rows` rows into a tensor."""
        parts = self._parts(name, num_rows, target.size(1))
        for source, part in enumerate(parts):
            if (source - rank) % gcd(len(parts), size) != 0:
                continue
            for rows, content in part.blocks():
                row = source + len(parts) * torch.arange(rows.start, rows.stop)
                is_own = row % size == rank
                index = (row[is_own] // size).to(target.device)
                target[index] = content[is_own].to(target.device)

    def merge(self, name: str, num_rows: int, path: Path) -> Tensor:
        """Returns the whole table, which is written to a new file and mapped."""
        parts = self._parts(name, num_rows)
        size, number = (num_rows, parts[0].shape[1]), len(parts)
        whole = torch.from_file(
            str(path), shared=True, size=size[0] * size[1], dtype=parts[0].dtype
        ).view(size)
        for source, part in enumerate(parts):
            for rows, content in part.blocks():
                begin = source + number * rows.start
                whole[begin : begin + number * len(content) : number] = content
        return whole
