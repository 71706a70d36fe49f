"""One epoch of training: the steps of the optimizer."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_pyg.training.partition_loader import Step
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import Triplets
from soil_pyg.utils.random_state import seed_of

CAUSES = "likely causes: a high learning rate, negative='keep' in the graphs, or large features"
"""The end of every error about a loss or a score that is not finite."""


def train_epoch(
    ranks: Ranks,
    loss: TrainingLoss,
    optimizer: Optimizer,
    batches: Iterable[tuple[HeteroData, Triplets]],
    steps: Sequence[Step],
    epoch: int,
    before_last: Callable[[], None] = lambda: None,
    seed: int = 0,
) -> dict[str, float]:
    """Takes the steps of the optimizer and returns the mean of each loss term.

    Before the last step, :obj:`before_last` is called. The random numbers of a batch of a partition
    follow from the seed, the epoch and the place of the batch, so that they do not depend on the
    process that computes it.

    Each of the batches comes with the data or the partition it is drawn from. The device is read
    only once, after the last step, so that no step waits for it. If the model has no loss terms, no
    step is taken and the result is empty.

    Raises:
        FloatingPointError: If a loss term is not finite.
    """
    names: list[str] = []
    # One tensor for all steps: a small one per step would fragment the heap.
    losses = torch.empty(0, 0, dtype=torch.float, device=ranks.fabric.device)
    done, batches = 0, iter(batches)
    for number, step in enumerate(steps):
        group = list(islice(batches, step.own))
        if step.own > 0 and not group:
            break
        optimizer.zero_grad()
        draw = partial(_draw, seed, epoch, number)
        for names, values in loss.backward(ranks.fabric, group, step.total, draw):
            if not names:
                return {}
            if done == 0:
                losses = losses.new_empty(sum(step.own for step in steps), len(names))
            losses[done] = values
            done += 1
        ranks.add_gradients(loss.replicated())
        if step is steps[-1]:
            before_last()
        optimizer.step()
    names, losses = _of_all(ranks, names, losses[:done].cpu(), loss.is_split)
    for row, column in (~losses.isfinite()).nonzero().tolist():
        raise FloatingPointError(
            f"The loss term '{names[column]}' became {losses[row, column].item()} in epoch "
            f"{epoch}, batch {row + 1} of {len(losses)}; {CAUSES}"
        )
    return dict(zip(names, losses.double().mean(dim=0).tolist(), strict=True))


def _draw(*entropy: int) -> None:
    seed_everything(seed_of(*entropy))


def _of_all(
    ranks: Ranks, names: list[str], losses: Tensor, is_split: bool
) -> tuple[list[str], Tensor]:
    """Returns the loss terms of the batches of all processes, which share each batch if it is
    split.
    """
    found = [rank for rank in ranks.each(lambda: (names, losses)) if rank[0]]
    if not found:
        return names, losses
    rows = [rank[1] for rank in found]
    return found[0][0], torch.stack(rows).mean(dim=0) if is_split else torch.cat(rows)
