import torch
import torch.distributed as dist
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.ragged import budget_blocks
from soil_pyg.training.row_exchange import RowExchange

ENTRIES_AT_ONCE = 2**18
"""The entries of a matrix whose columns are fetched at a time."""


class ShardedAdjacency(Adjacency):
    r"""One process's rows of a matrix, which multiplies its part of a table: of :math:`W`
    processes, that of rank :math:`i \bmod W` holds row :math:`i` of both.

    A product fetches the rows of the table that it needs from the other processes, block by block,
    and has no gradient. All processes must multiply together.

    Args:
        whole (Adjacency): The whole matrix.
        rank (int): The rank of this process.
        size (int): The number of processes :math:`W`.
        device (torch.device, optional): The device of the rows. (default: that of the matrix)

    Example:
        >>> whole = Adjacency.from_edge_index(torch.tensor([[0, 1], [0, 0]]), size=(2, 1))
        >>> ShardedAdjacency(whole, rank=0, size=1) @ torch.tensor([[1.0], [2.0]])
        tensor([[3.]])
    """

    def __init__(
        self, whole: Adjacency, rank: int, size: int, device: torch.device | None = None
    ) -> None:
        own = torch.arange(rank, whole.size[0], size, device=whole.col.device)
        part = whole.select_rows(own).to(device or whole.col.device)
        super().__init__(part.rowptr, part.col, part.weight, whole.size[1])
        self.size = part.size[0], len(range(rank, whole.size[1], size))
        self._whole, self._num_ranks, self._place = whole, size, (rank, size, device)
        self._blocks = budget_blocks(self.rowptr.diff().long(), ENTRIES_AT_ONCE)
        if size > 1:
            count = torch.tensor([len(self._blocks)], device=part.col.device)
            dist.all_reduce(count, dist.ReduceOp.MAX)
            self._blocks += [slice(self.size[0], self.size[0])] * (int(count) - len(self._blocks))

    def t(self) -> Adjacency:
        """Returns this process's rows of the transposed matrix; they are selected once."""
        if self._transposed is None:
            self._transposed = ShardedAdjacency(self._whole.t(), *self._place)
            self._transposed._transposed = self
        return self._transposed

    def matmul(self, x: Tensor) -> Tensor:
        """Multiplies this process's rows of the matrix with the whole table.

        Args:
            x (Tensor): This process's part of the table.
        """
        products = []
        for rows in self._blocks:
            ptr = self.rowptr[rows.start : rows.stop + 1].long()
            entries = slice(int(ptr[0]), int(ptr[-1]))
            index, col = torch.unique(self.col[entries].long(), return_inverse=True)
            neighbours = RowExchange(index, self._num_ranks).fetch(x.detach())
            block = Adjacency(ptr - ptr[0], col, self.weight[entries].detach(), len(index))
            products.append(block.matmul(neighbours))
        return torch.cat(products) if products else x.new_empty(0, x.size(1))

    __matmul__ = matmul
