import torch
from torch import Tensor

from soil_pyg.nn.growing_tensor import GrowingTensor


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
