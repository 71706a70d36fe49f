"""One epoch of training: steps of the optimizer, and the validation."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ranking.evaluator import Evaluator, compute_embeddings
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import INTERACTS, Triplets

T = TypeVar("T")

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
    loss: TrainingLoss,
    optimizer: Optimizer,
    batches: Iterable[tuple[HeteroData, Triplets]],
    num_batches: int,
    epoch: int,
    batches_per_step: int = 1,
) -> dict[str, float]:
    """Takes one step of the optimizer per group of batches and returns the mean of each loss term.

    Each of the batches, at most :obj:`num_batches`, comes with the data or the partition it is
    drawn from. The device is read only once, after the last step, so that no step waits for it. If
    the model has no loss terms, no step is taken and the result is empty.

    Raises:
        FloatingPointError: If a loss term is not finite.
    """
    names: list[str] = []
    # One tensor for all steps: a small one per step would fragment the heap.
    losses = torch.empty(0, 0, dtype=torch.float, device=fabric.device)
    done = 0
    for group in _groups(batches, num_batches, batches_per_step):
        optimizer.zero_grad()
        for names, values in loss.backward(fabric, group):
            if not names:
                return {}
            if done == 0:
                losses = losses.new_empty(num_batches, len(names))
            losses[done] = values
            done += 1
        optimizer.step()
    losses = losses[:done].cpu()
    for row, column in (~losses.isfinite()).nonzero().tolist():
        raise FloatingPointError(
            f"The loss term '{names[column]}' became {losses[row, column].item()} in epoch "
            f"{epoch}, batch {row + 1} of {done}; {CAUSES}"
        )
    return dict(zip(names, losses.double().mean(dim=0).tolist(), strict=True))


def _groups(batches: Iterable[T], num_batches: int, size: int) -> Iterator[list[T]]:
    # As even as possible: a step on few batches is noisier than the others.
    num_groups, batches = -(-num_batches // size), iter(batches)
    for start in range(num_groups):
        begin, end = (num_batches * n // num_groups for n in (start, start + 1))
        if group := list(islice(batches, end - begin)):
            yield group


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
    batches_per_step: int = 1

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
