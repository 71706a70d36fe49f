import torch
from torch import Tensor

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
