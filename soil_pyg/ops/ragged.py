"""Groups of different sizes that follow one another in a vector, and vectors that grow."""

import ctypes
import mmap
from contextlib import suppress

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

CHUNK = 2**23
"""The number of elements per chunk of a :class:`GrowingTensor`."""

PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
"""The options of memory that belongs to the process alone; on Windows all of it does."""


def concat_ranges(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Concatenates the ranges :obj:`start[n]..start[n] + count[n]` and returns the numbers, and the
    :obj:`n` that each belongs to.

    Example:
        >>> concat_ranges(torch.tensor([5, 0]), torch.tensor([2, 1]))
        (tensor([5, 6, 0]), tensor([0, 0, 1]))
    """
    owner = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count)
    offset = start - (count.cumsum(0) - count)
    return torch.arange(owner.numel(), device=count.device) + offset[owner], owner


def index2ptr(group: Tensor, num_groups: int) -> Tensor:
    """Returns the pointers of the groups, given the group of each entry in any order.

    Example:
        >>> index2ptr(torch.tensor([0, 0, 2]), num_groups=3)
        tensor([0, 2, 2, 3])
    """
    pointer: Tensor = cumsum(torch.bincount(group, minlength=num_groups))
    return pointer


def budget_blocks(cost: Tensor, budget: int) -> list[slice]:
    """Cuts rows into consecutive blocks whose costs add up to at most the budget.

    A row that costs more has a block of its own.

    Example:
        >>> budget_blocks(torch.tensor([2, 2, 9, 1]), budget=4)
        [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    total = torch.cat([cost.new_zeros(1), cost.cumsum(0)]).cpu()
    blocks, begin = [], 0
    while begin < cost.numel():
        end = int(torch.searchsorted(total, total[begin] + budget, right=True)) - 1
        end = max(end, begin + 1)
        blocks.append(slice(begin, end))
        begin = end
    return blocks


def order_by_group(group: Tensor, value: Tensor) -> Tensor:
    """Returns the order by group (less than :math:`2^{31}`), then by descending value (in single
    precision); ties keep their order.

    Example:
        >>> order_by_group(torch.tensor([1, 0, 1]), torch.tensor([2.0, 5.0, 3.0]))
        tensor([1, 2, 0])
    """
    # The bits of a value, read as an integer, are in the order of the values: one sort of integers
    # takes a fifth of the time of two sorts.
    bits = value.view(torch.int32).long()
    rising = torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return torch.argsort((group.long() << 32) - rising, stable=True)


def rank_in_group(group: Tensor) -> Tensor:
    """Returns the position of each entry within its group, whose entries are consecutive.

    Example:
        >>> rank_in_group(torch.tensor([4, 4, 7]))
        tensor([0, 1, 0])
    """
    count = torch.unique_consecutive(group, return_counts=True)[1]
    begin = torch.repeat_interleave(count.cumsum(0) - count, count)
    return torch.arange(group.numel(), device=group.device) - begin


class GrowingTensor:
    """A one-dimensional tensor that grows piece by piece.

    Pieces are copied into few large chunks outside of the heap, which long-lived tensors between
    large temporary ones would fragment.

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
        self._is_on_cpu = device is None or device.type == "cpu"
        self._chunks: list[Tensor] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, piece: Tensor) -> None:
        """Appends elements, converted to the type of the tensor."""
        done = 0
        while done < piece.numel():
            place = self._length % CHUNK
            if place == 0:
                self._chunks.append(self._new(CHUNK))
                if self._is_on_cpu:
                    # What the loop that fills the tensor has freed would otherwise pile up.
                    trim_heap()
            size = min(piece.numel() - done, CHUNK - place)
            self._chunks[-1][place : place + size] = piece[done : done + size]
            done += size
            self._length += size

    def pop(self) -> Tensor:
        """Returns the elements in the order in which they were added and removes them; at most one
        chunk is held twice on the way.
        """
        out = self._new(self._length)
        while self._chunks:
            begin = (len(self._chunks) - 1) * CHUNK
            part = out[begin : begin + CHUNK]
            part.copy_(self._chunks.pop()[: part.numel()])
        self._length = 0
        return out

    def _new(self, size: int) -> Tensor:
        if size < CHUNK or not self._is_on_cpu:
            return torch.empty(size, dtype=self._dtype, device=self._device)
        pages = mmap.mmap(-1, size * self._dtype.itemsize, **PRIVATE)
        return torch.frombuffer(pages, dtype=self._dtype)


class GrowingTensors:
    """Tensors that grow together, e.g. the rows, columns and values of a sparse matrix.

    Example:
        >>> entries = GrowingTensors(torch.int32, torch.float32)
        >>> entries.add(torch.tensor([0, 2]), torch.tensor([0.5, 0.25]))
        >>> entries.pop()
        [tensor([0, 2], dtype=torch.int32), tensor([0.5000, 0.2500])]
    """

    def __init__(self, *dtypes: torch.dtype, device: torch.device | None = None) -> None:
        self._tensors = [GrowingTensor(dtype, device) for dtype in dtypes]

    def __len__(self) -> int:
        return len(self._tensors[-1])

    def add(self, *pieces: Tensor) -> None:
        """Appends elements to each tensor."""
        for tensor, piece in zip(self._tensors, pieces, strict=True):
            tensor.add(piece)

    def pop(self) -> list[Tensor]:
        """Returns the elements of each tensor and removes them."""
        return [tensor.pop() for tensor in self._tensors]


def trim_heap() -> None:
    """Returns freed memory to the system if the C library can do so (glibc).

    Otherwise heap fragmentation would keep the peak of one step allocated beside that of the next.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
