import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

import torch
from torch import Tensor

from soil_pyg.training.ranks import Ranks


def memory_of_machine(ranks: Ranks, size: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns a tensor that the processes of each machine share, with undefined values.

    It is a temporary file that all map, which has no name any more. All processes call this
    together.

    Args:
        ranks (Ranks): The processes.
        size (tuple[int, ...]): The size of the tensor.
        dtype (torch.dtype): The type of the tensor.

    Raises:
        OSError: If the folder of temporary files has no space for the tensor.
    """
    name = f"{ranks.share(uuid4().hex)}-{ranks.fabric.node_rank}"
    path = Path(gettempdir(), f"soil_pyg-{name}")
    is_first = ranks.fabric.local_rank == 0

    def create() -> None:
        if is_first:
            with open(path, "xb", opener=_private) as file:
                # A sparse file on a full disk would end the process instead of raising an error.
                os.posix_fallocate(file.fileno(), 0, prod(size) * dtype.itemsize)

    found: list[Tensor] = []

    def open_() -> None:
        shared = torch.from_file(str(path), shared=True, size=prod(size), dtype=dtype)
        found.append(shared.view(*size))

    try:
        ranks.each(create)
        ranks.each(open_)
    finally:
        if is_first:
            path.unlink(missing_ok=True)
    return found[0]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
