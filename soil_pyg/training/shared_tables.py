import torch
from torch import Tensor

from soil_pyg.models.loss_tables import LossTables


class SharedTables:
    """Tables that several batches read, with one backward pass for all.

    Each batch gets a copy of the rows that it reads. Its gradients are added to one sum per table,
    so that nothing as large as a table is allocated per batch.

    Args:
        tables (LossTables): The tables.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(4, 1))
        >>> shared = SharedTables(LossTables(user=[2 * weight], item=[]))
        >>> for rows in (torch.tensor([0, 2]), torch.tensor([2])):
        ...     shared.select(user=rows, item=rows).user[0].sum().backward()
        >>> shared.backward()
        >>> weight.grad.flatten()
        tensor([2., 0., 4., 0.])
    """

    def __init__(self, tables: LossTables) -> None:
        self._sums: list[tuple[Tensor, Tensor]] = []
        self._user, self._item, terms = (
            [self._with_sum(table) for table in group]
            for group in (tables.user, tables.item, tables.terms.values())
        )
        self._terms = dict(zip(tables.terms, terms, strict=True))

    def _with_sum(self, table: Tensor) -> tuple[Tensor, Tensor | None]:
        if not table.requires_grad:
            return table, None
        # Many small gradients would vanish in a sum of a lower precision.
        dtype = torch.promote_types(table.dtype, torch.float)
        total = torch.zeros_like(table, dtype=dtype)
        self._sums.append((table, total))
        return table.detach(), total

    def select(self, user: Tensor, item: Tensor) -> LossTables:
        """Returns the tables of a batch, which begin a graph of their own.

        Args:
            user (Tensor): The rows of the tables of users, each at most once.
            item (Tensor): The rows of the tables of items, each at most once.
        """
        return LossTables(
            [_leaf(table.index_select(0, user), total, user) for table, total in self._user],
            [_leaf(table.index_select(0, item), total, item) for table, total in self._item],
            {name: _leaf(*term) for name, term in self._terms.items()},
        )

    def backward(self) -> None:
        """Adds the gradients of all batches to those of the parameters."""
        tables = [table for table, _ in self._sums]
        grads = [total.to(table.dtype) for table, total in self._sums]
        torch.autograd.backward(tables, grads)


def _leaf(x: Tensor, total: Tensor | None, index: Tensor | None = None) -> Tensor:
    if total is None:
        return x
    leaf = x.detach().requires_grad_()

    def collect(leaf: Tensor) -> None:
        grad, leaf.grad = leaf.grad, None
        if grad is not None and total is not None:
            grad = grad.to(total.dtype)
            total.add_(grad) if index is None else total.index_add_(0, index, grad)

    leaf.register_post_accumulate_grad_hook(collect)  # type: ignore[no-untyped-call]
    return leaf
