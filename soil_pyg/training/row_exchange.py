import torch
import torch.distributed as dist
from torch import Tensor


class RowExchange:
    r"""The rows that each process reads from tables whose row :math:`i` is held by process
    :math:`i \bmod W`, of :math:`W` processes that make the same calls in the same order.

    Args:
        index (Tensor): The rows that this process reads, as they are numbered in the whole table.
        size (int): The number of processes :math:`W`.

    Example:
        >>> table = torch.tensor([[0.0], [1.0], [2.0]])
        >>> exchange = RowExchange(torch.tensor([2, 0]), size=1)
        >>> exchange.fetch(table)
        tensor([[2.],
                [0.]])
    """

    def __init__(self, index: Tensor, size: int) -> None:
        owner = index % size
        self._order = owner.argsort(stable=True)
        read = torch.bincount(owner, minlength=size)
        sent = torch.empty_like(read)
        if size > 1:
            dist.all_to_all_single(sent, read)
        else:
            sent.copy_(read)
        self._read, self._sent = read.tolist(), sent.tolist()
        self.row = _swap(index[self._order], self._sent, self._read) // size
        """The rows of this process's part of a table that the processes read, by their ranks."""

    def fetch(self, part: Tensor) -> Tensor:
        """Returns the rows in the order of :obj:`index`, given this process's part of a table."""
        rows = _swap(part.index_select(0, self.row), self._read, self._sent)
        return torch.empty_like(rows).index_copy_(0, self._order, rows)

    def give_back(self, rows: Tensor) -> Tensor:
        """Returns what the processes give back, such as gradients, for each of :attr:`row`; this
        process gives one row for each of :obj:`index`.
        """
        return _swap(rows.index_select(0, self._order), self._sent, self._read)

    def num_bytes(self, part: Tensor) -> int:
        """Returns the size of what this process sends in one :meth:`fetch` and one
        :meth:`give_back`.
        """
        return (len(self._order) + len(self.row)) * part[:1].numel() * part.element_size()


def _swap(x: Tensor, received: list[int], sent: list[int]) -> Tensor:
    """Sends consecutive rows to the processes by rank and returns the rows received."""
    if len(sent) == 1:
        return x
    out = x.new_empty(sum(received), *x.shape[1:])
    dist.all_to_all_single(out, x.contiguous(), received, sent)
    return out
