from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ops.ragged import GrowingTensor
from soil_pyg.training.loss import TrainingLoss
from soil_pyg.typing import INTERACTS, Triplets

CAUSES = "likely causes: a high learning rate, negative='keep' in the graphs, or large features"


def train_epoch(
    fabric: Fabric,
    loss: TrainingLoss,
    optimizer: Optimizer,
    batches: Iterable[tuple[HeteroData, Triplets]],
    epoch: int,
) -> dict[str, float]:
    """Takes one step of the optimizer for each batch and returns the mean of each loss term.

    Nothing is read from the device before the last step. A model without loss terms is left as it
    is, and nothing is returned.

    Args:
        fabric (Fabric): Tells precision and device.
        loss (TrainingLoss): The loss of the model.
        optimizer (Optimizer): The optimizer of its parameters.
        batches (iterable): Each batch with the data that it belongs to.
        epoch (int): The number of the epoch, for messages.

    Raises:
        FloatingPointError: If a loss term is not finite.
    """
    names: list[str] = []
    # Not a list: a small tensor of each step would lie between the large ones that come and go, and
    # keep their memory from being used again.
    steps = GrowingTensor(torch.float, fabric.device)
    for data, batch in batches:
        with fabric.autocast():
            terms = loss.terms(data, batch)
        if not terms:
            return {}
        names = list(terms)
        values = torch.stack([term.float() for term in terms.values()])
        optimizer.zero_grad()
        fabric.backward(values.sum())
        optimizer.step()
        steps.add(values.detach())
    # Looked at once an epoch: a device would have to wait for each look.
    losses = steps.pop().view(-1, len(names)).cpu()
    for step, index in (~losses.isfinite()).nonzero().tolist():
        raise FloatingPointError(
            f"The loss term '{names[index]}' became {losses[step, index].item()} in epoch "
            f"{epoch}, batch {step + 1} of {losses.size(0)}; {CAUSES}"
        )
    return dict(zip(names, losses.double().mean(dim=0).tolist(), strict=True))


@contextmanager
def on_data_device(model: Recommender, data: HeteroData) -> Iterator[None]:
    """Holds the model where the data is, which does not follow it if it is trained on parts.

    Args:
        model (Recommender): The model.
        data (HeteroData): The data.
    """
    home = next((p.device for p in model.parameters()), None)
    model.to(data[INTERACTS].edge_index.device)
    try:
        yield
    finally:
        model.to(home)
