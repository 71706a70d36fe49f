import torch
from torch_geometric.utils import cumsum

from soil_pyg.nn.adjacency import Adjacency
from soil_pyg.nn.growing_tensor import GrowingTensor


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
