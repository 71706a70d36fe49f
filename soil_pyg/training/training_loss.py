from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.func import functional_call
from torch.nn import Embedding, Parameter
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.nn.split_batch import split_batch
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.training.batches_per_step import shares_tables
from soil_pyg.training.sharded_tables import ShardedTables
from soil_pyg.training.shared_tables import SharedTables
from soil_pyg.typing import Triplets
from soil_pyg.utils._private import BackendCompilerFailed


class TrainingLoss(torch.nn.Module):
    r"""The loss of a model on the whole data or on a partition, optionally compiled.

    On a partition, each parameter with one row per node (:meth:`~soil_pyg.models.Recommender.
    node_parameters`) is replaced by the rows of the partition's nodes. Its gradient is sparse and
    holds these rows only, as :class:`~soil_pyg.training.row_adam.RowAdam` expects.

    With sharded tables, these rows come from all processes, which take each step together.

    If batches are split over processes, :meth:`backward` computes the loss of the whole batch from
    the share of this process, see :func:`~soil_pyg.nn.split_batch.split_batch`.

    Raises:
        ValueError: If the data comes in partitions and the model has an embedding of all users or
            all items that is missing from its :meth:`node_parameters`.
    """

    def __init__(
        self,
        model: Recommender,
        partitioned: bool = False,
        compile: bool = False,
        split: bool = False,
        tables: ShardedTables | None = None,
    ) -> None:
        super().__init__()
        self._tables = tables
        self.model = model
        self._partitioned = partitioned
        self.is_split = split
        # Batches have at most two sizes per epoch; each gets code of its own.
        self._compiled = torch.compile(model.loss, dynamic=False) if compile else None
        self._prepared = False
        self._node_parameters = model.node_parameters() if partitioned else {}
        for name, module in model.named_modules():
            if (
                partitioned
                and isinstance(module, Embedding)
                and module.num_embeddings in (model.num_users, model.num_items)
                and f"{name}.weight" not in self._node_parameters
            ):
                raise ValueError(
                    f"'node_parameters()' of {type(model).__name__} must name the node type of "
                    f"'{name}.weight' to be trained with num_partitions > 1"
                )

    def forward(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the loss terms for the current parameters; raises :class:`RuntimeError` if the
        loss cannot be compiled.
        """
        if self._compiled is None:
            return self.model.loss(data, batch)
        if not self._prepared:
            # Both directions of the graphs are built outside of the compiled code.
            for store in data.stores:
                for value in store.values():
                    if isinstance(value, Adjacency):
                        value.prepare()
            self._prepared = True
        try:
            return self._compiled(data, batch)
        except BackendCompilerFailed as error:
            raise RuntimeError(
                "'compile' needs a compiler: install g++ (on a GPU, Triton) or set compile=False "
                f"({getattr(error, 'inner_exception', error)})"
            ) from error

    def terms(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the loss terms of a batch of the data, or of a partition of it with
        :obj:`n_id`; the batch has the node indices of :obj:`data`.
        """
        rows = {
            f"model.{name}": self._rows(name, data[kind].n_id)
            for name, kind in self._node_parameters.items()
        }
        terms = functional_call(self, rows, (data, batch)) if rows else self(data, batch)
        if not isinstance(terms, dict):
            raise TypeError(
                f"'loss()' of {type(self.model).__name__} must return a dictionary of terms (got "
                f"{type(terms).__name__})"
            )
        return terms

    def _rows(self, name: str, index: Tensor) -> Tensor:
        if self._tables is not None:
            return self._tables.select(name, index)
        table = self.model.get_parameter(name)
        rows: Tensor = _Rows.apply(table, index)  # type: ignore[no-untyped-call]
        return rows

    def replicated(self) -> list[Parameter]:
        """Returns the parameters that every process holds, all but the sharded tables."""
        shards = [] if self._tables is None else self._tables.parameters()
        return [p for p in self.parameters() if not any(p is shard for shard in shards)]

    def backward(
        self,
        fabric: Fabric,
        group: Sequence[tuple[HeteroData, Triplets]],
        total: int,
        draw: Callable[[int], None] = lambda lane: None,
    ) -> Iterator[tuple[list[str], Tensor]]:
        """Yields the names and the values of the loss terms of each batch, and adds the gradients
        of their sum divided by :obj:`total`, the number of batches in the step. Before a batch of a
        partition, :obj:`draw` is called with its lane.

        Batches share the tables of the model if it defines them, see
        :meth:`~soil_pyg.models.Recommender.loss_tables`.
        """
        # The tables are whole on every process, only their rows are split.
        is_shared = shares_tables(type(self.model)) and (len(group) > 1 or self.is_split)
        if self._partitioned or not is_shared:
            if self._tables is not None:
                self._tables.fetch([data for data, _ in group])
            for data, batch in group:
                if self._partitioned:
                    draw(data.lane)
                with fabric.autocast(), self._reduction():
                    terms = self.terms(data, batch)
                yield self._add_gradients(fabric, terms, total)
            if self._tables is not None:
                self._tables.backward()
            return
        data = group[0][0]
        users = torch.unique(torch.cat([batch.user for _, batch in group]))
        with fabric.autocast():
            shared = SharedTables(self.model.loss_tables(data, users))
        for _, batch in group:
            user, row = torch.unique(torch.searchsorted(users, batch.user), return_inverse=True)
            items = torch.cat([batch.positive, batch.negative])
            item, item_row = torch.unique(items, return_inverse=True)
            with fabric.autocast(), self._reduction():
                tables = shared.select(user, item)
                rows = row, *item_row.tensor_split([len(batch.positive)])
                terms = self.model.batch_loss(tables, Triplets(*rows))
            yield self._add_gradients(fabric, terms, total)
        shared.backward()

    def _add_gradients(
        self, fabric: Fabric, terms: dict[str, Tensor], total: int
    ) -> tuple[list[str], Tensor]:
        if not terms:
            return [], torch.empty(0)
        values = torch.stack([term.float() for term in terms.values()])
        fabric.backward(values.sum() / total)
        return list(terms), values.detach()

    def _reduction(self) -> AbstractContextManager[None]:
        return split_batch() if self.is_split else nullcontext()


class _Rows(torch.autograd.Function):
    """Selects distinct rows of a table; the gradient of the table is sparse."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.size = table.size()
        ctx.save_for_backward(index)
        return table.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        # Rows are distinct, hence coalesced.
        table_grad = torch.sparse_coo_tensor(
            index.unsqueeze(0), grad, ctx.size, check_invariants=False, is_coalesced=True
        )
        return table_grad, None
