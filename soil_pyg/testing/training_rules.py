"""The rules of a model that concern its loss."""

import math

import torch
from lightning_fabric import Fabric
from torch import Tensor

from soil_pyg.models.base import Recommender
from soil_pyg.testing.contract import require
from soil_pyg.testing.model_case import BATCH, ModelCase, total_loss
from soil_pyg.training.batches_per_step import shares_tables
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import Triplets

OTHER = Triplets(torch.tensor([0, 7, 7]), torch.tensor([2, 1, 5]), torch.tensor([6, 6, 4]))
# The mean of four is exact.
GROUP = (BATCH, OTHER, Triplets(*(x[:1] for x in BATCH)), BATCH)


def loss_returns_finite_terms(case: ModelCase) -> None:
    """The method loss returns finite scalars by name, and none if the model has no parameters."""
    data, model = case.make()
    model.on_epoch_start(data)
    terms = model.loss(data, BATCH)
    require(isinstance(terms, dict), f"{type(terms).__name__}.")
    for name, term in terms.items():
        is_scalar = isinstance(term, Tensor) and term.size() == ()
        require(is_scalar, f"{name!r} is no scalar tensor: {term!r}.")
        require(bool(term.isfinite()), f"{name!r} is {term.item()}.")
    has_parameters = len(list(model.parameters())) > 0
    require(bool(terms) == has_parameters, f"{len(terms)} terms.")


def gradients_reach_each_parameter(case: ModelCase) -> None:
    """Each parameter gets a finite gradient that is not zero, in the first epoch and in the
    second; those named in 'unused' get none.
    """
    data, model = case.make()
    for _ in range(2 if list(model.parameters()) else 0):
        model.zero_grad()
        model.on_epoch_start(data)
        torch.autograd.backward(total_loss(model, data))
        for name, parameter in model.named_parameters():
            grad = parameter.grad
            if grad is not None:
                require(bool(grad.isfinite().all()), f"NaN or infinity for {name!r}.")
            is_reached = grad is not None and bool(grad.ne(0).any())
            require(name not in case.unused or not is_reached, f"one for {name!r}, in 'unused'.")
            require(name in case.unused or is_reached, f"none for {name!r}.")


def each_term_depends_on_the_parameters(case: ModelCase) -> None:
    """Each term of the loss has a gradient of its own."""
    data, model = case.make()
    model.on_epoch_start(data)
    for name, term in model.loss(data, BATCH).items():
        grads = [None] if not term.requires_grad else _gradients(model, term)
        require(any(g is not None and bool(g.ne(0).any()) for g in grads), f"none for {name!r}.")


def gradients_are_those_of_the_loss(case: ModelCase) -> None:
    """The gradient of each parameter is the slope of the loss in evaluation mode. Skip this rule
    for a model that stops gradients on purpose.
    """
    data, model = case.make_data(is_double=True), case.make_model().double().eval()

    def loss() -> Tensor:
        model.on_epoch_start(data)
        return total_loss(model, data)

    step = 1e-6
    for name, parameter in model.named_parameters():
        if name in case.unused or not parameter.requires_grad:
            continue
        (grad,) = torch.autograd.grad(loss(), parameter)
        entry = int(grad.abs().argmax())
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[entry] += sign * step
                losses.append(loss().item())
                parameter.view(-1)[entry] -= sign * step
        slope, found = (losses[0] - losses[1]) / (2 * step), grad.flatten()[entry].item()
        is_slope = math.isclose(slope, found, rel_tol=1e-4, abs_tol=1e-7)
        require(is_slope, f"the gradient {found:.6g} and the slope {slope:.6g} for {name!r}.")


def batches_share_a_propagation(case: ModelCase) -> None:
    """The gradients of several batches per step are the mean of those of single batches, with
    loss_tables and batch_loss as with loss.
    """
    for is_training in (True, False):
        data = case.make_data(is_double=True)
        model = case.make_model().double().train(is_training)
        parameters = list(model.parameters())
        if not parameters:
            return
        # Tables that are drawn at random are drawn once per step.
        torch.manual_seed(0)
        model.on_epoch_start(data)
        state = torch.get_rng_state()
        if shares_tables(type(model)):
            model.loss_tables(data, torch.unique(BATCH.user))
        is_noisy = not torch.get_rng_state().equal(state)
        expected = [torch.zeros_like(parameter) for parameter in parameters]
        for seed, batch in enumerate(GROUP):
            torch.manual_seed(0)
            model.on_epoch_start(data)
            torch.manual_seed(0 if is_noisy else seed)
            for total, grad in zip(
                expected, _gradients(model, total_loss(model, data, batch)), strict=True
            ):
                total += 0 if grad is None else grad / len(GROUP)
        torch.manual_seed(0)
        model.on_epoch_start(data)
        fabric = Fabric(accelerator="cpu", devices=1)
        group = [(data, batch) for batch in GROUP]
        steps = TrainingLoss(model).backward(fabric, group, len(group))
        for seed in range(len(GROUP)):
            torch.manual_seed(seed)
            next(steps)
        require(next(steps, None) is None, "more losses than batches.")
        for (name, parameter), total in zip(model.named_parameters(), expected, strict=True):
            found = torch.zeros_like(total) if parameter.grad is None else parameter.grad
            is_mean = torch.allclose(found, total, rtol=1e-9, atol=1e-12)
            require(is_mean, f"another gradient of {name!r} (training mode: {is_training}).")


def partitions_give_gradients(case: ModelCase) -> None:
    """On partitions of the data, each parameter gets a finite gradient; node_parameters names
    those with a row per user or item.
    """
    data, model = case.make()
    if not list(model.parameters()):
        return
    loss = TrainingLoss(model, partitioned=True)
    model.on_epoch_start(data)
    for part, batch in PartitionLoader(data, num_partitions=2):
        torch.autograd.backward(list(loss.terms(part, batch).values()))
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        if name not in case.unused and parameter.requires_grad:
            require(grad is not None, f"none for {name!r}.")
        if grad is not None:
            require(bool(grad.to_dense().isfinite().all()), f"NaN or infinity for {name!r}.")


def an_epoch_changes_the_model(case: ModelCase) -> None:
    """The Trainer trains an epoch on partitions: it reports the terms of the loss and finite
    metrics, and changes the parameters.
    """
    data, model = case.make()
    before = [parameter.clone() for parameter in model.parameters()]
    trainer = Trainer(num_partitions=2, epochs=1, batch_size=4, accelerator="cpu", progress=False)
    result = trainer.fit(model, data)
    require(all(math.isfinite(value) for value in result.test.values()), f"{result.test}.")
    if before:
        (epoch,) = result.history
        names = list(model.loss(data, BATCH))
        require(list(epoch["loss"]) == names, f"{list(epoch['loss'])} instead of {names}.")
        require(all(math.isfinite(value) for value in epoch["loss"].values()), f"{epoch['loss']}.")
        after = list(model.parameters())
        is_same = all(old.equal(new) for old, new in zip(before, after, strict=True))
        require(not is_same, "all parameters stay.")


def _gradients(model: Recommender, loss: Tensor) -> tuple[Tensor | None, ...]:
    # Parameters that are not trained have none.
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    grads = iter(torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True))
    return tuple(next(grads) if x.requires_grad else None for x in model.parameters())
