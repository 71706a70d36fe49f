import ctypes
from contextlib import suppress

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.adjacency import Adjacency

CHUNK = 2**23
"""So many elements are kept in one piece of memory, which is large enough to go back to the system
when it is freed."""


class GrowingTensor:
    """A tensor of one dimension that comes piece by piece.

    Many small tensors that stay, made between large ones that do not, would keep the memory of the
    large ones from being used again. So the pieces are copied to few large chunks.

    Args:
        dtype (torch.dtype): The type of the elements.
        device (torch.device, optional): Where they are. (default: the CPU)

    Example:
        >>> numbers = GrowingTensor(torch.long)
        >>> numbers.add(torch.tensor([2, 0]))
        >>> numbers.add(torch.tensor([1]))
        >>> numbers.pop()
        tensor([2, 0, 1])
    """

    def __init__(self, dtype: torch.dtype, device: torch.device | None = None) -> None:
        self._dtype = dtype
        self._device = device
        self._chunks: list[Tensor] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, piece: Tensor) -> None:
        """Adds elements.

        Args:
            piece (Tensor): The elements, converted to the type of the tensor.
        """
        done = 0
        while done < piece.numel():
            place = self._length % CHUNK
            if place == 0:
                self._chunks.append(self._new(CHUNK))
            size = min(piece.numel() - done, CHUNK - place)
            self._chunks[-1][place : place + size] = piece[done : done + size]
            done += size
            self._length += size

    def pop(self) -> Tensor:
        """Returns the elements in the order they came, and forgets them; no more than one chunk of
        them is held twice.
        """
        out = self._new(self._length)
        while self._chunks:
            begin = (len(self._chunks) - 1) * CHUNK
            part = out[begin : begin + CHUNK]
            part.copy_(self._chunks.pop()[: part.numel()])
        self._length = 0
        return out

    def _new(self, size: int) -> Tensor:
        return torch.empty(size, dtype=self._dtype, device=self._device)


def trim_heap() -> None:
    """Gives memory that was freed back to the system, where the C library can (glibc).

    The allocator keeps the pages between tensors that stay for later ones. Between two steps that
    need much memory of different sizes this would be held beside that of the second.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Entries:
    """Entries of a sparse matrix that come block by block.

    Args:
        device (torch.device, optional): Where the entries are. (default: the CPU)

    Example:
        >>> entries = Entries()
        >>> entries.add(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.5, 0.25]))
        >>> entries.pop()
        (tensor([0, 2]), tensor([1, 1]), tensor([0.5000, 0.2500]))
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._row = GrowingTensor(torch.int32, device)
        self._column = GrowingTensor(torch.int32, device)
        self._value = GrowingTensor(torch.float32, device)

    def __len__(self) -> int:
        return len(self._value)

    def add(self, row: Tensor, column: Tensor, value: Tensor) -> None:
        """Adds entries.

        Args:
            row (Tensor): Their rows, less than :math:`2^{31}`.
            column (Tensor): Their columns, less than :math:`2^{31}`.
            value (Tensor): Their values.
        """
        self._row.add(row)
        self._column.add(column)
        self._value.add(value)

    def pop(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns rows, columns (:obj:`int64`) and values in the order they came, and forgets
        them.
        """
        return self._row.pop().long(), self._column.pop().long(), self._value.pop()


class RowBlocks:
    """The rows of an :class:`~soil_pyg.nn.Adjacency` that are made block by block, from the first
    to the last.

    Args:
        num_columns (int): The number of columns, less than :math:`2^{31}`.
        device (torch.device, optional): Where the matrix is. (default: the CPU)

    Example:
        >>> rows = RowBlocks(num_columns=3)
        >>> edge_index = torch.tensor([[0, 2], [0, 0]])
        >>> rows.add(Adjacency.from_edge_index(edge_index, size=(3, 1)))
        >>> rows.add(Adjacency.from_edge_index(edge_index, size=(3, 2)))
        >>> rows.pop()
        Adjacency(3, 3, num_edges=4)
    """

    def __init__(self, num_columns: int, device: torch.device | None = None) -> None:
        self.num_columns = num_columns
        self._count = GrowingTensor(torch.long, device)
        self._col = GrowingTensor(torch.int32, device)
        self._weight = GrowingTensor(torch.float32, device)

    def add(self, block: Adjacency) -> None:
        """Adds rows below those that are there.

        Args:
            block (Adjacency): The rows.
        """
        self._count.add(block.rowptr.diff())
        self._col.add(block.col)
        self._weight.add(block.weight)

    def pop(self) -> Adjacency:
        """Returns the matrix and forgets its rows; little of it is held twice on the way."""
        rowptr = cumsum(self._count.pop())
        return Adjacency(rowptr, self._col.pop(), self._weight.pop(), self.num_columns)
