from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import Module, Parameter
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.training.own_rows import build_with_own_rows, own_rows
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.row_exchange import RowExchange
from soil_pyg.typing import USER


class ShardedTables:
    r"""The tables of a model with one row per user or item
    (:meth:`~soil_pyg.models.Recommender.node_parameters`), sharded by row: of :math:`W` processes,
    that of rank :math:`i \bmod W` holds row :math:`i` and its moments.

    The tables of the model are replaced by the rows of this process. A step fetches the rows of the
    nodes of its partitions with one exchange per node type and gives their gradients back with
    another, so that each process has a sparse gradient of its own rows. A model on the device
    :obj:`"meta"` is built without a whole table in memory, from the same random numbers.

    Args:
        model (Recommender): The model, on the CPU or on the device :obj:`"meta"`.
        ranks (Ranks): The processes.

    Raises:
        ValueError: If the tables of the model cannot be sharded.
    """

    def __init__(self, model: Recommender, ranks: Ranks) -> None:
        check_shardable(model)
        self._ranks = ranks
        self.node_type = model.node_parameters()
        """The node type of each table, by its name."""
        self.num_rows = {
            name: model.num_users if kind == USER else model.num_items
            for name, kind in self.node_type.items()
        }
        """The number of rows of each table, by its name."""
        if next(model.parameters()).is_meta:
            torch.set_rng_state(ranks.share(torch.get_rng_state()))
            build_with_own_rows(model, ranks.rank, ranks.size)
        else:
            ranks.share_state(model)
        for name in self.node_type:
            module_name, _, attribute = name.rpartition(".")
            whole = model.get_parameter(name)
            rows = own_rows(whole, ranks.rank, ranks.size)
            part = Parameter(rows, requires_grad=whole.requires_grad)
            setattr(model.get_submodule(module_name), attribute, part)
        _refuse_unnamed(model)
        self._model = model
        self._fetched: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def tensors(self, model: Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns this process's parts of the tables, and the other tensors of a model."""
        state = model.state_dict()
        parts = {name: state.pop(name) for name in self.node_type}
        return parts, state

    def parameters(self) -> list[Parameter]:
        """Returns this process's parts of the tables."""
        return [self._model.get_parameter(name) for name in self.node_type]

    def fetch(self, partitions: Sequence[HeteroData]) -> None:
        """Fetches the rows of the nodes of partitions, of which a process may have none."""
        device = self._ranks.fabric.device
        for kind in sorted(set(self.node_type.values())):
            nodes = [partition[kind].n_id for partition in partitions]
            empty = torch.empty(0, dtype=torch.long, device=device)
            index = torch.unique(torch.cat([empty, *nodes]))
            exchange = RowExchange(index, self._ranks.size)
            for name in self.node_type:
                if self.node_type[name] == kind:
                    part = self._model.get_parameter(name)
                    rows: Tensor = _Fetch.apply(part, exchange)  # type: ignore[no-untyped-call]
                    leaf = rows.detach().requires_grad_(part.requires_grad)
                    self._fetched[name] = index, rows, leaf
                    self._ranks.count_sent(exchange.num_bytes(part))

    def select(self, name: str, index: Tensor) -> Tensor:
        """Returns some of the fetched rows of a table."""
        known, _, leaf = self._fetched[name]
        return leaf.index_select(0, torch.searchsorted(known, index))

    def backward(self) -> None:
        """Adds the gradients of the fetched rows to those of the processes that hold them."""
        for _, rows, leaf in self._fetched.values():
            if rows.requires_grad:
                grad = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                torch.autograd.backward(rows, grad)
        self._fetched = {}


class _Fetch(torch.autograd.Function):
    """Fetches rows of a table from the processes that hold them, whose gradients are sparse."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, exchange: RowExchange) -> Tensor:
        ctx.exchange, ctx.size = exchange, part.size()
        return exchange.fetch(part)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        rows, index = ctx.exchange.give_back(grad), ctx.exchange.row.unsqueeze(0)
        part_grad = torch.sparse_coo_tensor(index, rows, ctx.size, check_invariants=False)
        return part_grad.coalesce(), None


def check_shardable(model: Recommender) -> None:
    """Raises :class:`ValueError` unless the tables of a model can be sharded."""
    kind, reason = type(model), None
    declares, forwards = (
        next(parent for parent in kind.__mro__ if name in vars(parent))
        for name in ("row_wise", "forward")
    )
    # A subclass with another 'forward' says so itself.
    if not kind.row_wise or (declares is not forwards and issubclass(forwards, declares)):
        reason = f"as {forwards.__name__} does not set 'row_wise'"
    elif kind.on_epoch_start is not Recommender.on_epoch_start:
        reason = "as it changes its graphs in 'on_epoch_start'"
    elif not model.node_parameters():
        reason = "as it has no table of users or items"
    if reason is not None:
        raise ValueError(f"'shard_tables' must be False for {kind.__name__}, {reason} (got True)")


def _refuse_unnamed(model: Recommender) -> None:
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise ValueError(
                f"'node_parameters()' of {type(model).__name__} must name the node type of "
                f"'{name}' to be trained with shard_tables"
            )
