import os
import signal
import subprocess
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.datasets.storage import save_data
from soil_pyg.models import BPR, Recommender
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.trainer import Trainer, TrainResult
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import Triplets

RandomData = Callable[..., HeteroData]
MakeBPR = Callable[..., BPR]
Numbers = Callable[[TrainResult], dict[str, Any]]
Interrupt = Callable[..., None]
OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 32, "epochs": 6, "progress": False}


class Noise(BPR):
    """Draws from the global generator, as dropout does."""

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        terms = super().loss(data, batch)
        return {**terms, "noise": (torch.rand(4) * self.user_embedding.weight[0]).sum()}


def test_same_seed_same_numbers(data: HeteroData, bpr: MakeBPR, numbers: Numbers) -> None:
    results = []
    for seed in (1, 1, 2):
        model = bpr(Noise)
        torch.rand(seed)
        results.append(numbers(Trainer(**OPTIONS, seed=seed).fit(model, data)))
    assert results[0] == results[1]
    assert results[0]["history"] != results[2]["history"]


def test_a_finished_run_is_not_run_again(
    data: HeteroData, tmp_path: Path, interrupt: Interrupt, bpr: MakeBPR
) -> None:
    model = bpr()
    result = Trainer(**OPTIONS).fit(model, data, out=tmp_path)
    interrupt(1)
    other = bpr()
    trainer = Trainer(**{**OPTIONS, "progress": True, "checkpoint_seconds": 0})
    assert trainer.fit(other, data, out=tmp_path) == result
    assert torch.equal(other.user_embedding.weight, model.user_embedding.weight)


@pytest.mark.parametrize("batch", [6, 13, 24])
def test_ctrl_c_and_resume(
    data: HeteroData,
    tmp_path: Path,
    interrupt: Interrupt,
    batch: int,
    bpr: MakeBPR,
    numbers: Numbers,
) -> None:
    expected = Trainer(**OPTIONS).fit(bpr(Noise), data)
    num_batches = len(TripletLoader(data, batch_size=32))
    epochs = (batch - 1) // num_batches
    interrupt(batch)
    with pytest.raises(KeyboardInterrupt, match=f"epoch {epochs};.*'{tmp_path}'"):
        Trainer(**OPTIONS).fit(bpr(Noise), data, out=tmp_path)

    trained = soil_pyg.load(tmp_path)
    assert trained.run["finished"] is False
    assert trained.run["epochs"] == epochs
    assert trained.metrics["test"] == {}
    val = Evaluator().evaluate(trained.model, data, "val")
    assert val == trained.metrics["val"]
    assert val == max((e["val"] for e in expected.history[:epochs]), key=itemgetter("recall@20"))

    model = bpr(Noise)
    torch.nn.init.zeros_(model.user_embedding.weight)
    assert numbers(Trainer(**OPTIONS).fit(model, data, out=tmp_path)) == numbers(expected)
    assert soil_pyg.load(tmp_path).run["finished"] is True


def test_ctrl_c_in_the_first_epoch(
    data: HeteroData, tmp_path: Path, interrupt: Interrupt, bpr: MakeBPR, numbers: Numbers
) -> None:
    interrupt(2)
    with pytest.raises(KeyboardInterrupt):
        Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    expected = Trainer(**OPTIONS).fit(bpr(), data)
    assert numbers(Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)) == numbers(expected)


def test_ctrl_c_after_the_last_epoch(
    data: HeteroData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bpr: MakeBPR,
    numbers: Numbers,
) -> None:
    expected = Trainer(**OPTIONS).fit(bpr(), data)
    evaluate = Evaluator.evaluate

    def interrupted(self: Evaluator, *args: Any) -> dict[str, float]:
        if "test" in args:
            raise KeyboardInterrupt
        return evaluate(self, *args)

    with monkeypatch.context() as context:
        context.setattr(Evaluator, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)
    assert numbers(Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)) == numbers(expected)


KILLED = """
import os, signal, sys
import torch
from soil_pyg.datasets.storage import load_data
from soil_pyg.models import BPR
from soil_pyg.training.trainer import Trainer

loss, calls = BPR.loss, iter(range(14))

def killed(self, data, batch):
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss(self, data, batch)

BPR.loss = killed
torch.manual_seed(0)
model = BPR(30, 40, hidden_channels=4)
trainer = Trainer(lr=0.05, batch_size=32, epochs=6, checkpoint_seconds=0)
trainer.fit(model, load_data(sys.argv[1]), out=sys.argv[2])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
def test_a_killed_run_resumes(
    data: HeteroData, tmp_path: Path, bpr: MakeBPR, numbers: Numbers
) -> None:
    save_data(data, tmp_path / "data.safetensors")
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "data.safetensors"), str(out)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        soil_pyg.load(out)

    model, expected = bpr(), bpr()
    result = Trainer(**OPTIONS).fit(model, data, out=out)
    assert numbers(result) == numbers(Trainer(**OPTIONS).fit(expected, data))
    assert torch.equal(model.user_embedding.weight, expected.user_embedding.weight)


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_differs_is_refused(
    data: HeteroData,
    random_data: RandomData,
    tmp_path: Path,
    interrupt: Interrupt,
    finished: bool,
    bpr: MakeBPR,
) -> None:
    def fit(
        model: Recommender | None = None,
        data: HeteroData = data,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> TrainResult:
        trainer = Trainer(**{**OPTIONS, **options})
        return trainer.fit(model or bpr(), data, tmp_path, settings or {"soil": {"k": 5}})

    if finished:
        fit()
    else:
        interrupt(10)
        with pytest.raises(KeyboardInterrupt):
            fit()
        (tmp_path / "run.json").unlink()
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for arguments, difference in [
        ({"lr": 0.1}, r"\(trainer\.lr: 0\.05 there, 0\.1 now\)"),
        ({"seed": 1}, r"trainer\.seed: 0 there, 1 now"),
        ({"ks": [20]}, r"trainer\.ks: \[5, 10, 20, 50\] there, \[20\] now"),
        ({"data": random_data(seed=1)}, r"data\.digest: 'digest 0' there, 'digest 1' now"),
        ({"settings": {"soil": {"k": 6}}}, r"settings\.soil\.k: 5 there, 6 now"),
        ({"settings": {"a": 1}}, r"settings\.soil\.k: 5 there, None now; settings\.a: None there"),
        ({"model": bpr(reg=0.5)}, r"options\.reg: .* there, 0\.5 now"),
        ({"model": bpr(Noise)}, r"model: 'soil_pyg\.models\.bpr:BPR' there, '.*:Noise' now"),
    ]:
        with pytest.raises(ValueError, match=difference):
            fit(**arguments)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert fit(checkpoint_seconds=5).epochs == 6


@pytest.mark.parametrize("keeps_in_memory", [True, False])
def test_a_finished_run_goes_on_with_more_epochs(
    data: HeteroData,
    tmp_path: Path,
    bpr: MakeBPR,
    numbers: Numbers,
    monkeypatch: pytest.MonkeyPatch,
    keeps_in_memory: bool,
) -> None:
    if not keeps_in_memory:
        monkeypatch.setattr("soil_pyg.runs.training_run.IN_MEMORY", 0)
    expected = Trainer(**OPTIONS).fit(bpr(Noise), data)
    Trainer(**OPTIONS | {"epochs": 4}).fit(bpr(Noise), data, out=tmp_path, settings={"epochs": 4})
    model = bpr(Noise)
    result = Trainer(**OPTIONS).fit(model, data, out=tmp_path, settings={"epochs": 6})
    assert numbers(result) == numbers(expected)
    assert soil_pyg.load(tmp_path).run["trainer"]["epochs"] == 6
    with pytest.raises(ValueError, match=r"trainer\.epochs: 6 there, 5 now"):
        Trainer(**OPTIONS | {"epochs": 5}).fit(bpr(Noise), data, out=tmp_path)
    (tmp_path / "state.safetensors").unlink()
    with pytest.raises(ValueError, match=r"trainer\.epochs: 6 there, 7 now"):
        Trainer(**OPTIONS | {"epochs": 7}).fit(bpr(Noise), data, out=tmp_path)


def test_a_run_without_patience_left_stays_finished(
    data: HeteroData, tmp_path: Path, bpr: MakeBPR, numbers: Numbers
) -> None:
    options = OPTIONS | {"epochs": 50, "patience": 1, "lr": 1.0}
    result = Trainer(**options).fit(bpr(), data, out=tmp_path)
    assert result.epochs < 50
    assert not (tmp_path / "state.safetensors").exists()
    assert Trainer(**options | {"epochs": 60}).fit(bpr(), data, out=tmp_path) == result


def test_without_validation_the_last_weights_are_kept(
    data: HeteroData, tmp_path: Path, bpr: MakeBPR
) -> None:
    for name in ("val_edge_label_index", "test_edge_label_index"):
        del data["user", "interacts", "item"][name]
    model = bpr()
    result = Trainer(**OPTIONS | {"patience": 1}).fit(model, data, tmp_path, validate=False)
    assert (result.epochs, result.best_epoch, result.val, result.test) == (6, 6, {}, {})
    assert result.history[5]["loss"]["bpr"] < result.history[0]["loss"]["bpr"]
    trained = soil_pyg.load(tmp_path)
    assert torch.equal(trained.user_emb, model(data)[0])
