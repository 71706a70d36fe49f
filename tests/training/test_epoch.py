import gc
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import BPR, LightGCN
from soil_pyg.training.epoch import train_epoch
from soil_pyg.training.partition_loader import Step
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import Triplets

NO_COMPILER = """
import torch
from torch_geometric.data import HeteroData
from soil_pyg.models import BPR
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import Triplets

batch = Triplets(*torch.tensor([[0], [1], [2]]))
TrainingLoss(BPR(3, 4), compile=True).terms(HeteroData(), batch)
"""


@pytest.fixture
def graphs() -> HeteroData:
    return LightGCN.graph_transform()(SyntheticMultimodal(num_users=60, num_items=40)[0])


def train(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[HeteroData, Triplets]],
    num_batches: int,
) -> dict[str, float]:
    ranks = Ranks(Fabric(accelerator="cpu", devices=1))
    steps = [Step(1, 1)] * num_batches
    return train_epoch(ranks, TrainingLoss(model), optimizer, batches, steps, epoch=1)


def count_tensors() -> int:
    """Returns the number of tensors that Python knows."""
    gc.collect()
    return sum(type(found) is torch.Tensor for found in gc.get_objects())


def test_no_step_leaves_a_tensor(graphs: HeteroData) -> None:
    # Small tensors between the large ones of the steps would fragment the heap.
    model, counts = LightGCN(60, 40, hidden_channels=4), []

    def batches() -> Iterator[tuple[HeteroData, Triplets]]:
        for batch in islice(TripletLoader(graphs, batch_size=32), 8):
            counts.append(count_tensors())
            yield graphs, batch

    terms = train(model, torch.optim.Adam(model.parameters()), batches(), 8)
    assert terms["bpr"] > 0
    assert len(counts) == 8
    # The first steps create the state of the optimizer.
    assert len(set(counts[2:])) == 1


def test_steps_against_a_loop(graphs: HeteroData) -> None:
    batches = list(islice(TripletLoader(graphs, batch_size=32), 5))
    ours, expected = (LightGCN(60, 40, hidden_channels=4) for _ in range(2))
    expected.load_state_dict(ours.state_dict())
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    terms = train(ours, optimizer, [(graphs, batch) for batch in batches], 5)
    losses = []
    for batch in batches:
        losses.append(expected.loss(graphs, batch))
        grads = torch.autograd.grad(sum(losses[-1].values()), list(expected.parameters()))
        with torch.no_grad():
            for parameter, grad in zip(expected.parameters(), grads, strict=True):
                parameter -= 0.1 * grad
    for parameter, other in zip(ours.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(parameter, other)
    means = {name: sum(loss[name].item() for loss in losses) / 5 for name in losses[0]}
    assert terms == pytest.approx(means)


class Scripted(BPR):
    """Has the loss terms 1, 2, ... and their squares."""

    def __init__(self) -> None:
        super().__init__(2, 3)
        self.step = 0

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        self.step += 1
        unit = 1 + 0 * self.user_embedding.weight.sum()
        return {"step": unit * self.step, "square": unit * self.step**2}


def test_means_of_the_terms_of_fewer_batches_than_announced() -> None:
    model, batch = Scripted(), Triplets(*torch.zeros(3, 1, dtype=torch.long))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    terms = train(model, optimizer, [(HeteroData(), batch)] * 3, 5)
    assert terms == {"step": 2.0, "square": pytest.approx(14 / 3)}


def test_a_loss_that_cannot_be_compiled(data: HeteroData, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: object, inputs: object) -> object:
        raise OSError("no c++")

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **options: compile(model, backend=broken))
    loss = TrainingLoss(BPR(30, 40), compile=True)
    with pytest.raises(RuntimeError, match=r"'compile'.*\(no c\+\+\)"):
        loss.terms(data, next(iter(TripletLoader(data))))


@pytest.mark.slow
def test_without_a_compiler(tmp_path: Path) -> None:
    environment = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", NO_COMPILER],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RuntimeError: 'compile' needs a compiler" in done.stderr
