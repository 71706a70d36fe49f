"""One epoch of training: the loss, a step of the optimizer per batch, and the validation."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.func import functional_call
from torch.nn import Embedding
from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ranking.evaluator import Evaluator, compute_embeddings
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.progress import EpochProgress
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils._private import BackendCompilerFailed

CAUSES = "likely causes: a high learning rate, negative='keep' in the graphs, or large features"
"""The end of every error about a loss or a score that is not finite."""


def make_fabric(accelerator: str, precision: Any) -> Fabric:
    """Returns Lightning Fabric on one device, or raises :class:`ValueError` if this machine has no
    such device.
    """
    try:
        return Fabric(accelerator=accelerator, devices=1, precision=precision)
    except (ValueError, RuntimeError, ImportError) as error:
        raise ValueError(
            "'accelerator' must be the name of a device of this machine in Lightning Fabric "
            f"(got {accelerator!r}: {str(error).splitlines()[0]})"
        ) from error


def train_epoch(
    fabric: Fabric,
    loss: "TrainingLoss",
    optimizer: Optimizer,
    batches: Iterable[tuple[HeteroData, Triplets]],
    num_batches: int,
    epoch: int,
) -> dict[str, float]:
    """Takes one step of the optimizer per batch and returns the mean of each loss term.

    Each of the batches, at most :obj:`num_batches`, comes with the data or the partition it is
    drawn from. The device is read only once, after the last step, so that no step waits for it. If
    the model has no loss terms, no step is taken and the result is empty.

    Raises:
        FloatingPointError: If a loss term is not finite.
    """
    names: list[str] = []
    # One tensor for all steps: a small one per step would fragment the heap.
    losses = torch.empty(0, 0, dtype=torch.float, device=fabric.device)
    step = 0
    for data, batch in batches:
        with fabric.autocast():
            terms = loss.terms(data, batch)
        if not terms:
            return {}
        if not names:
            names = list(terms)
            losses = losses.new_empty(num_batches, len(names))
        values = torch.stack([term.float() for term in terms.values()])
        optimizer.zero_grad()
        fabric.backward(values.sum())
        optimizer.step()
        losses[step] = values.detach()
        step += 1
    losses = losses[:step].cpu()
    for row, column in (~losses.isfinite()).nonzero().tolist():
        raise FloatingPointError(
            f"The loss term '{names[column]}' became {losses[row, column].item()} in epoch "
            f"{epoch}, batch {row + 1} of {step}; {CAUSES}"
        )
    return dict(zip(names, losses.double().mean(dim=0).tolist(), strict=True))


class TrainingLoss(torch.nn.Module):
    r"""The loss of a model on the whole data or on a partition, optionally compiled.

    On a partition, each parameter with one row per node (:meth:`~soil_pyg.models.Recommender.
    node_parameters`) is replaced by the rows of the partition's nodes. Its gradient is sparse and
    holds these rows only, as :class:`~soil_pyg.training.row_adam.RowAdam` expects.

    Raises:
        ValueError: If the data comes in partitions and the model has an embedding of all users or
            all items that is missing from its :meth:`node_parameters`.
    """

    def __init__(
        self, model: Recommender, partitioned: bool = False, compile: bool = False
    ) -> None:
        super().__init__()
        self.model = model
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
            f"model.{name}": _Rows.apply(  # type: ignore[no-untyped-call]
                self.model.get_parameter(name), data[kind].n_id
            )
            for name, kind in self._node_parameters.items()
        }
        terms = functional_call(self, rows, (data, batch)) if rows else self(data, batch)
        return cast(dict[str, Tensor], terms)


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


@dataclass(frozen=True)
class Session:
    """The objects of one call of :meth:`~soil_pyg.training.Trainer.fit`; :obj:`module` is the
    model as Fabric calls it.
    """

    fabric: Fabric
    model: Recommender
    module: torch.nn.Module
    data: HeteroData
    loader: PartitionLoader
    run: TrainingRun
    evaluator: Evaluator
    progress: EpochProgress

    @contextmanager
    def on_data_device(self) -> Iterator[None]:
        """Moves the model to the whole data, which stays on the CPU if partitions are trained."""
        home = next((p.device for p in self.model.parameters()), None)
        self.model.to(self.data[INTERACTS].edge_index.device)
        try:
            yield
        finally:
            self.model.to(home)

    def evaluate(self, split: str) -> dict[str, float]:
        """Returns the metrics of the model on a split, :obj:`"val"` or :obj:`"test"`."""
        with self.run.timed("evaluate"), self.on_data_device():
            return self.evaluator.evaluate(self.module, self.data, split)

    def store_model(self, finished: bool) -> None:
        """Stores the best weights, which the model must hold, and their embeddings."""
        with self.on_data_device():
            self.run.store_model(compute_embeddings(self.module, self.data), self.data, finished)
