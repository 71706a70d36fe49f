import torch
from torch import Tensor

CHUNK = 2**23
"""So many entries are kept in one piece of memory."""


class Entries:
    """Entries of a sparse matrix that come block by block.

    Many small tensors that stay, made between large ones that do not, would keep the memory of the
    large ones from being used again. So the entries are copied to few large pieces.

    Args:
        device (torch.device, optional): Where the entries are. (default: the CPU)

    Example:
        >>> entries = Entries()
        >>> entries.add(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.5, 0.25]))
        >>> entries.pop()
        (tensor([0, 2]), tensor([1, 1]), tensor([0.5000, 0.2500]))
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device
        self._chunks: list[tuple[Tensor, Tensor, Tensor]] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, row: Tensor, column: Tensor, value: Tensor) -> None:
        """Adds entries.

        Args:
            row (Tensor): Their rows, less than :math:`2^{31}`.
            column (Tensor): Their columns, less than :math:`2^{31}`.
            value (Tensor): Their values.
        """
        done = 0
        while done < row.numel():
            place = self._length % CHUNK
            if place == 0:
                self._chunks.append(self._new_chunk())
            size = min(row.numel() - done, CHUNK - place)
            for chunk, part in zip(self._chunks[-1], (row, column, value), strict=True):
                chunk[place : place + size] = part[done : done + size]
            done += size
            self._length += size

    def pop(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns rows, columns (:obj:`int64`) and values in the order they came, and forgets
        them.
        """
        rest = self._length % CHUNK
        if self._chunks and rest > 0:
            row, column, value = self._chunks[-1]
            self._chunks[-1] = row[:rest], column[:rest], value[:rest]
        row, column, value = self._new_chunk()
        chunks = self._chunks or [(row[:0], column[:0], value[:0])]
        self._chunks, self._length = [], 0
        row, column, value = (torch.cat(parts) for parts in zip(*chunks, strict=True))
        return row.long(), column.long(), value

    def _new_chunk(self) -> tuple[Tensor, Tensor, Tensor]:
        row, column = (torch.empty(CHUNK, dtype=torch.int32, device=self._device) for _ in range(2))
        return row, column, torch.empty(CHUNK, device=self._device)
