"""Models that are built with one process's rows of their tables, as if the tables were whole."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

from soil_pyg.models.base import Recommender

FILLS = {"normal_", "uniform_", "zero_", "fill_", "constant_"}
"""Functions in place that draw or set each element on its own."""
BLOCK_ROWS = 2**14
"""The rows of a table that are drawn at a time."""
LANES = 16
"""The number of elements of which torch draws normal numbers at a time: a table that is drawn in
blocks equals a whole one if no block has fewer, and all but the last one have a multiple.
"""


def build_with_own_rows(model: Recommender, rank: int, size: int) -> None:
    """Builds a model that is on the device :obj:`"meta"` with the rows :obj:`rank::size` of each
    table of users and of items.

    All processes draw the same numbers, those of a whole table, block by block.

    Raises:
        ValueError: If the model sets a table by another function than those of
            :mod:`torch.nn.init` for single elements.
    """
    with _OwnRows({model.num_users, model.num_items}, rank, size):
        built = type(model)(**model.options)
    vars(model).update(vars(built))


def own_rows(parameter: Tensor, rank: int, size: int) -> Tensor:
    """Returns the rows of a parameter that a process holds, whether it was built whole or by
    :func:`build_with_own_rows`.
    """
    if not parameter.is_meta:
        return parameter.detach()[rank::size].clone()
    rows: Tensor = vars(parameter)["own_rows"]
    return rows


class _OwnRows(TorchFunctionMode):
    """Replaces tables with a number of rows by tensors without memory, which hold their own rows as
    an attribute.
    """

    def __init__(self, num_rows: set[int], rank: int, size: int) -> None:
        super().__init__()
        self._num_rows, self._rank, self._size = num_rows, rank, size

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            shape = args[0] if len(args) == 1 else args
            if isinstance(shape, tuple | list) and len(shape) == 2 and shape[0] in self._num_rows:
                return func(*args, **{**kwargs, "device": "meta"})
        # The functions of torch.nn.init pass their tensor by its name.
        table = args[0] if args else kwargs.pop("tensor", None)
        if isinstance(table, Parameter) and table.is_meta:
            name = func.__name__
            if name in FILLS:
                return self._fill(func, table, *args[1:], **kwargs)
            if name.endswith("_") and not name.endswith("__") and name != "requires_grad_":
                raise ValueError(
                    f"'shard_tables' must be False for a table that '{name}' sets: only "
                    f"{', '.join(sorted(FILLS))} do so row by row (got True)"
                )
        return func(*((table, *args[1:]) if table is not None else args), **kwargs)

    def _fill(self, func: Callable[..., Any], table: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        num_rows, num_columns = table.size()
        own = torch.empty(len(range(self._rank, num_rows, self._size)), num_columns)
        begin = 0
        while begin < num_rows:
            end = begin + BLOCK_ROWS
            end = num_rows if num_rows - end < LANES else end
            block = torch.empty(end - begin, num_columns)
            func(block, *args, **kwargs)
            first = (self._rank - begin) % self._size
            rows = block[first :: self._size]
            at = (begin + first) // self._size
            own[at : at + len(rows)] = rows
            begin = end
        vars(table)["own_rows"] = own
        return table
