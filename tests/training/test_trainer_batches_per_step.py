"""Steps on several batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import BPR, SOIL, LightGCN, Recommender
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training import batches_per_step
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import Triplets

MakeBPR = Callable[..., BPR]
Numbers = Callable[[TrainResult], dict[str, Any]]
OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 32, "epochs": 4, "progress": False}


class OwnLoss(BPR):
    """Cannot share a propagation."""

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return super().loss(data, batch)


@pytest.fixture
def propagations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the propagations of BPR by the number of users."""
    calls: list[int] = []
    loss_tables = BPR.loss_tables

    def counted(self: BPR, data: HeteroData, users: Tensor) -> Any:
        calls.append(users.numel())
        return loss_tables(self, data, users)

    monkeypatch.setattr(BPR, "loss_tables", counted)
    return calls


def test_one_batch_per_step_is_the_default_for_few_batches(
    data: HeteroData, bpr: MakeBPR, numbers: Numbers
) -> None:
    default, one, two = (
        numbers(Trainer(**OPTIONS, **options).fit(bpr(), data))
        for options in ({}, {"batches_per_step": 1}, {"batches_per_step": 2})
    )
    assert default == one
    assert default["history"] != two["history"]


def test_an_epoch_has_a_bounded_number_of_propagations(
    data: HeteroData, bpr: MakeBPR, propagations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    num_batches = len(TripletLoader(data, batch_size=8))
    assert num_batches > 12
    for steps in (1, 3, 12):
        propagations.clear()
        monkeypatch.setattr(batches_per_step, "STEPS", steps)
        Trainer(**OPTIONS | {"batch_size": 8, "epochs": 1}).fit(bpr(), data)
        assert steps / 2 <= len(propagations) <= steps


def test_steps_against_a_loop(data: HeteroData, bpr: MakeBPR) -> None:
    ours, expected = bpr(), bpr()
    options = OPTIONS | {"epochs": 1, "lr_decay": 1.0, "batches_per_step": 2}
    result = Trainer(**options).fit(ours, data)
    batches = list(TripletLoader(data, batch_size=32))
    optimizer = torch.optim.Adam(
        expected.parameters(), 0.05 * 2**0.5, betas=(0.8, 0.998), eps=1e-8 / 2**0.5
    )
    num_steps = -(-len(batches) // 2)
    values = []
    for step in range(num_steps):
        group = batches[step * len(batches) // num_steps : (step + 1) * len(batches) // num_steps]
        assert len(group) in (1, 2)
        optimizer.zero_grad()
        losses = [sum(expected.loss(data, batch).values()) for batch in group]
        values += [loss.item() for loss in losses]
        (sum(losses) / len(group)).backward()
        optimizer.step()
    assert sum(result.history[0]["loss"].values()) == pytest.approx(sum(values) / len(values))
    for parameter, other in zip(ours.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(parameter, other)


def test_a_model_with_a_loss_of_its_own_accumulates_gradients(
    data: HeteroData, bpr: MakeBPR, propagations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = {}
    for kind in (BPR, OwnLoss):
        propagations.clear()
        results[kind] = Trainer(**OPTIONS, batches_per_step=3).fit(bpr(kind), data)
        results[kind, "calls"] = len(propagations)
    num_batches = len(TripletLoader(data, batch_size=32))
    assert results[BPR, "calls"] == 4 * -(-num_batches // 3)
    assert results[OwnLoss, "calls"] == 4 * num_batches
    losses = ([epoch["loss"]["bpr"] for epoch in results[k].history] for k in (BPR, OwnLoss))
    assert next(losses) == pytest.approx(next(losses), rel=1e-5)
    # By default, nothing is gained by steps on several batches.
    monkeypatch.setattr(batches_per_step, "STEPS", 1)
    propagations.clear()
    Trainer(**OPTIONS | {"epochs": 1}).fit(bpr(OwnLoss), data)
    assert len(propagations) == num_batches


def test_a_resumed_run_gives_the_result_of_an_uninterrupted_one(
    data: HeteroData,
    tmp_path: Path,
    bpr: MakeBPR,
    numbers: Numbers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches_per_step, "STEPS", 2)
    num_batches = len(TripletLoader(data, batch_size=32))
    expected = numbers(Trainer(**OPTIONS).fit(bpr(), data))
    batch_loss, calls = BPR.batch_loss, iter(range(2 * num_batches + 2))

    def interrupted(self: BPR, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return batch_loss(self, tables, batch)

    with monkeypatch.context() as context:
        context.setattr(BPR, "batch_loss", interrupted)
        with pytest.raises(KeyboardInterrupt, match="epoch 2"):
            Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)
    # The number is kept, whatever the default of a later version is.
    monkeypatch.setattr(batches_per_step, "STEPS", 1)
    with pytest.raises(ValueError, match=r"trainer\.batches_per_step: \d there, \d now"):
        Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)
    monkeypatch.setattr(batches_per_step, "STEPS", 2)
    assert numbers(Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)) == expected
    assert soil_pyg.load(tmp_path).run["trainer"]["batches_per_step"] == -(-num_batches // 2)


class LargeTensors(TorchDispatchMode):
    """Counts the new tensors with at least a number of rows."""

    def __init__(self, num_rows: int) -> None:
        super().__init__()
        self.num_rows = num_rows
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {x.data_ptr() for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x.dim() == 2 and x.size(0) >= self.num_rows:
                self.count += x.data_ptr() not in known
        return out


@pytest.mark.parametrize("kind", [BPR, LightGCN, SOIL])
def test_no_batch_allocates_a_table(kind: type[Recommender]) -> None:
    data = SyntheticMultimodal(num_users=900, num_items=800)[0]
    data = kind.graph_transform()(data)
    model = kind(900, 800, {"image": 64, "text": 32}, hidden_channels=4)
    batches = [(data, Triplets(*(x[:20] for x in batch))) for batch in TripletLoader(data)]
    fabric, loss = Fabric(accelerator="cpu", devices=1), TrainingLoss(model)

    def count(size: int) -> int:
        with LargeTensors(800) as found:
            list(loss.backward(fabric, batches[:1] * size, size))
        return found.count

    # The first gradient transposes the graphs.
    count(2)
    assert count(6) == count(2) < 2 * count(1)
