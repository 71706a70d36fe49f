import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.evaluator import Evaluator
from soil_pyg.loader import TripleLoader
from soil_pyg.models import BPR, ItemKNN, Popularity, Recommender
from soil_pyg.trainer import Trainer, TrainResult
from soil_pyg.typing import INTERACTS, ITEM, USER, Triples

RandomData = Callable[..., HeteroData]
OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 32, "epochs": 6, "progress": False}


class Line(Recommender):
    """One parameter with the gradient 1: Adam moves it by the learning rate."""

    def __init__(self, num_users: int, num_items: int) -> None:
        super().__init__(num_users, num_items)
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.starts: list[float] = []

    def on_epoch_start(self, data: HeteroData) -> None:
        self.starts.append(self.weight.item())

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return torch.ones(self.num_users, 1), torch.ones(self.num_items, 1) * self.weight

    def loss(self, data: HeteroData, batch: Triples) -> dict[str, Tensor]:
        return {"weight": self.weight * 0.25, "more": self.weight * 0.75}


class Noise(BPR):
    """Draws from the global generator, as dropout does."""

    def loss(self, data: HeteroData, batch: Triples) -> dict[str, Tensor]:
        terms = super().loss(data, batch)
        return {**terms, "noise": (torch.rand(4) * self.user_embedding.weight[0]).sum()}


class Scripted(Evaluator):
    """Gives validation metrics that were written beforehand."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = iter(values)
        self.splits: list[str] = []

    def evaluate(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, float]:
        self.splits.append(split)
        return {"recall@20": next(self.values)}


@pytest.fixture
def data(random_data: RandomData) -> HeteroData:
    return random_data()


def bpr(cls: type[BPR] = BPR, **options: Any) -> BPR:
    torch.manual_seed(0)
    return cls(30, 40, hidden_channels=4, **options)


def numbers(result: TrainResult) -> tuple:
    return result.best_epoch, result.epochs, result.valid, result.test, result.history


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Presses Ctrl-C in the n-th batch of BPR from now on."""
    loss = BPR.loss

    def install(batches: int) -> None:
        calls = iter(range(1, batches + 1))

        def interrupted(self: BPR, data: HeteroData, batch: Triples) -> dict[str, Tensor]:
            if next(calls, batches) == batches:
                monkeypatch.setattr(BPR, "loss", loss)
                raise KeyboardInterrupt
            return loss(self, data, batch)

        monkeypatch.setattr(BPR, "loss", interrupted)

    return install


def test_training_learns_and_keeps_the_best_weights(data: HeteroData) -> None:
    model = bpr()
    result = Trainer(**{**OPTIONS, "epochs": 40, "patience": 40}).fit(model, data)
    first, last = result.history[0], result.history[-1]
    assert last["loss"]["bpr"] < 0.8 * first["loss"]["bpr"]
    assert [entry["epoch"] for entry in result.history] == list(range(1, 41))
    recalls = [entry["valid"]["recall@20"] for entry in result.history]
    assert result.epochs == 40
    assert result.best_epoch == recalls.index(max(recalls)) + 1 < 40
    assert result.valid == result.history[result.best_epoch - 1]["valid"]
    assert Evaluator().evaluate(model, data, "val") == result.valid
    assert Evaluator().evaluate(model, data, "test") == result.test
    assert 0 < result.seconds["train"] < result.seconds["total"]
    assert 0 < result.seconds["evaluate"] < result.seconds["total"]


def test_learning_rate_falls_once_an_epoch(data: HeteroData) -> None:
    model = Line(30, 40)
    trainer = Trainer(lr=0.1, lr_decay=0.5, lr_decay_epochs=2, epochs=4, progress=False)
    result = trainer.fit(model, data)
    rates = [0.1 * 0.5 ** (epoch / 2) for epoch in range(4)]
    expected = [0.0, -rates[0], -sum(rates[:2]), -sum(rates[:3])]
    assert model.starts == pytest.approx(expected, rel=1e-5)
    assert result.history[1]["loss"] == pytest.approx(
        {"weight": -rates[0] / 4, "more": -rates[0] * 3 / 4}, rel=1e-5
    )


def test_batches_are_those_of_the_loader(data: HeteroData, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    loss = BPR.loss

    def record(self: BPR, data: HeteroData, batch: Triples) -> dict[str, Tensor]:
        batches.append(torch.stack(batch))
        return loss(self, data, batch)

    monkeypatch.setattr(BPR, "loss", record)
    Trainer(**{**OPTIONS, "epochs": 2, "seed": 4}).fit(bpr(), data)
    loader = TripleLoader(data, batch_size=32, seed=4)
    expected = [torch.stack(batch) for _ in range(2) for batch in loader]
    assert len(batches) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(batches, expected, strict=True))


@pytest.mark.parametrize(
    ("options", "epochs", "best_epoch"),
    [
        ({"patience": 2}, 4, 2),
        ({"patience": 3}, 9, 6),
        ({"patience": 2, "released_stopping": True}, 5, 2),
        ({"patience": 3, "released_stopping": True}, 10, 6),
        ({"patience": 2, "epochs": 3}, 3, 2),
    ],
)
def test_early_stopping(
    data: HeteroData, options: dict[str, Any], epochs: int, best_epoch: int
) -> None:
    values = [0.1, 0.2, 0.2, 0.1, 0.20004, 0.20007, 0.1, 0.1, 0.1, 0.1, 0.1]
    trainer = Trainer(**{"epochs": 20, "progress": False, **options})
    values[epochs] = 0.7
    trainer.evaluator = Scripted(values)
    result = trainer.fit(Line(30, 40), data)
    assert (result.epochs, result.best_epoch) == (epochs, best_epoch)
    assert result.valid["recall@20"] == values[best_epoch - 1]
    assert trainer.evaluator.splits == ["val"] * epochs + ["test"]
    assert result.test == {"recall@20": 0.7}


@pytest.mark.parametrize("patience", [2, 3, 4])
def test_stopping_waits_for_a_strictly_better_value(data: HeteroData, patience: int) -> None:
    trainer = Trainer(patience=patience, progress=False)
    trainer.evaluator = Scripted([0.3] * 20)
    result = trainer.fit(Line(30, 40), data)
    assert (result.best_epoch, result.epochs) == (1, 1 + patience)


@pytest.mark.parametrize("model_class", [Popularity, ItemKNN])
def test_models_without_parameters_are_only_evaluated(
    data: HeteroData, tmp_path: Path, model_class: type[Recommender]
) -> None:
    data = model_class.graphs()(data)
    model = model_class(30, 40)
    result = Trainer(**OPTIONS).fit(model, data, out=tmp_path)
    assert (result.best_epoch, result.epochs, result.history) == (0, 0, [])
    assert result.valid == Evaluator().evaluate(model, data, "val")
    assert result.test == Evaluator().evaluate(model, data, "test")
    assert soil_pyg.load(tmp_path).metrics == {"valid": result.valid, "test": result.test}


def test_models_without_loss_are_only_evaluated(data: HeteroData) -> None:
    class Fixed(Line):
        def loss(self, data: HeteroData, batch: Triples) -> dict[str, Tensor]:
            return {}

    model = Fixed(30, 40)
    result = Trainer(**OPTIONS).fit(model, data)
    assert (result.best_epoch, result.epochs, model.weight.item()) == (0, 0, 0.0)
    assert result.test == Evaluator().evaluate(model, data, "test")


def test_same_seed_same_numbers(data: HeteroData) -> None:
    results = []
    for seed in (1, 1, 2):
        model = bpr(Noise)
        torch.rand(seed)
        results.append(numbers(Trainer(**OPTIONS, seed=seed).fit(model, data)))
    assert results[0] == results[1]
    assert results[0][-1] != results[2][-1]


def test_data_stays_as_it_was(data: HeteroData) -> None:
    before = {name: value.clone() for name, value in data[INTERACTS].items()}
    Trainer(**OPTIONS).fit(bpr(), data)
    assert all(torch.equal(data[INTERACTS][name], value) for name, value in before.items())


def test_mixed_precision(data: HeteroData) -> None:
    result = Trainer(**OPTIONS, precision="bf16-mixed", accelerator="cpu").fit(bpr(), data)
    exact = Trainer(**OPTIONS, accelerator="cpu").fit(bpr(), data)
    losses = [r.history[0]["loss"]["bpr"] for r in (result, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.gpu
def test_gpu(data: HeteroData, tmp_path: Path) -> None:
    model = bpr()
    result = Trainer(**OPTIONS, accelerator="cuda").fit(model, data, out=tmp_path)
    on_cpu = Trainer(**OPTIONS, accelerator="cpu").fit(bpr(), data)
    assert next(model.parameters()).is_cuda
    assert not data[INTERACTS].edge_index.is_cuda
    assert result.history[0]["loss"] == pytest.approx(on_cpu.history[0]["loss"], rel=1e-4)
    assert soil_pyg.load(tmp_path).user_emb.device.type == "cpu"


def test_a_trained_model_is_loaded(data: HeteroData, tmp_path: Path) -> None:
    model = bpr()
    result = Trainer(**OPTIONS).fit(model, data, out=tmp_path, settings={"k": 3})
    trained = soil_pyg.load(tmp_path)
    assert torch.equal(trained.user_emb, model(data)[0])
    assert torch.equal(trained.item_emb, model(data)[1])
    assert trained.metrics == {"valid": result.valid, "test": result.test}
    assert trained.settings == {"k": 3}
    assert trained.data_digest == "digest 0"
    assert trained.user_id.tolist() == data[USER].id.tolist()
    assert trained.item_id.tolist() == data[ITEM].id.tolist()
    assert trained.run["trainer"]["lr"] == 0.05
    assert trained.run["trainer"]["seed"] == 0
    assert trained.run["finished"] is True
    assert trained.run["history"] == result.history
    assert not (tmp_path / "state.safetensors").exists()


def test_a_finished_run_is_not_run_again(
    data: HeteroData, tmp_path: Path, interrupt: Callable[[int], None]
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
    interrupt: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
    batch: int,
) -> None:
    expected = Trainer(**OPTIONS).fit(bpr(Noise), data)
    num_batches = len(TripleLoader(data, batch_size=32))
    epochs = (batch - 1) // num_batches
    interrupt(batch)
    with pytest.raises(KeyboardInterrupt):
        Trainer(**OPTIONS).fit(bpr(Noise), data, out=tmp_path)
    message = f"Interrupted after epoch {epochs}: the same call with out='{tmp_path}' goes on"
    assert message in capsys.readouterr().err

    trained = soil_pyg.load(tmp_path)
    assert trained.run["finished"] is False
    assert trained.run["epochs"] == epochs
    assert trained.metrics["test"] == {}
    valid = Evaluator().evaluate(trained.model, data, "val")
    assert valid == trained.metrics["valid"]
    assert valid == max((e["valid"] for e in expected.history[:epochs]), key=recall_at_20)

    model = bpr(Noise)
    torch.nn.init.zeros_(model.user_embedding.weight)
    assert numbers(Trainer(**OPTIONS).fit(model, data, out=tmp_path)) == numbers(expected)
    assert soil_pyg.load(tmp_path).run["finished"] is True


def recall_at_20(metrics: dict[str, float]) -> float:
    return metrics["recall@20"]


def test_ctrl_c_in_the_first_epoch(
    data: HeteroData, tmp_path: Path, interrupt: Callable[[int], None]
) -> None:
    interrupt(2)
    with pytest.raises(KeyboardInterrupt):
        Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    expected = Trainer(**OPTIONS).fit(bpr(), data)
    assert numbers(Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)) == numbers(expected)


def test_ctrl_c_after_the_last_epoch(
    data: HeteroData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Trainer(**OPTIONS).fit(bpr(), data)
    evaluate = Evaluator.evaluate

    def interrupted(
        self: Evaluator, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, float]:
        if split == "test":
            raise KeyboardInterrupt
        return evaluate(self, model, data, split)

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
from soil_pyg.trainer import Trainer

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
def test_a_killed_run_resumes(data: HeteroData, tmp_path: Path) -> None:
    from soil_pyg.datasets.storage import save_data

    save_data(data, tmp_path / "data.safetensors")
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "data.safetensors"), str(out)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match="its training has not ended"):
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
    interrupt: Callable[[int], None],
    finished: bool,
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
    for arguments, message in [
        ({"lr": 0.1}, r"\(trainer\.lr: 0\.05 there, 0\.1 now\): choose another folder"),
        ({"seed": 1}, r"trainer\.seed: 0 there, 1 now"),
        ({"ks": [20]}, r"trainer\.ks: \[5, 10, 20, 50\] there, \[20\] now"),
        ({"data": random_data(seed=1)}, r"data\.digest: 'digest 0' there, 'digest 1' now"),
        ({"settings": {"soil": {"k": 6}}}, r"settings\.soil\.k: 5 there, 6 now"),
        ({"settings": {"a": 1}}, r"settings\.soil\.k: 5 there, None now; settings\.a: None there"),
        ({"model": bpr(reg=0.5)}, r"options\.reg: .* there, 0\.5 now"),
        ({"model": bpr(Noise)}, r"model: 'soil_pyg\.models\.bpr:BPR' there, '.*:Noise' now"),
    ]:
        with pytest.raises(ValueError, match=rf"holds a run that differs .*{message}"):
            fit(**arguments)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert fit(checkpoint_seconds=5).epochs == 6


def test_a_corrupt_state_is_refused(data: HeteroData, tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"state\.safetensors' is corrupt"):
        Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)


def test_what_cannot_be_stored_is_refused(data: HeteroData, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=r"settings must be JSON values, to be stored \('t': "):
        Trainer(**OPTIONS).fit(bpr(), data, out=out, settings={"t": torch.ones(1)})

    class Local(BPR):
        pass

    with pytest.raises(ValueError, match=r"'.*Local' cannot be imported"):
        Trainer(**OPTIONS).fit(bpr(Local), data, out=out)
    assert not out.exists()
    assert Trainer(**OPTIONS).fit(bpr(Local), data).epochs == 6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    loss = BPR.loss
    num_batches = len(TripleLoader(data, batch_size=32))
    calls = iter(range(1000))

    def broken(self: BPR, data: HeteroData, batch: Triples) -> dict[str, Tensor]:
        terms = loss(self, data, batch)
        bad = next(calls) == num_batches + 1
        return {**terms, "second": terms["bpr"] * (value if bad else 1.0)}

    monkeypatch.setattr(BPR, "loss", broken)
    message = (
        f"The loss term 'second' became {value} in epoch 2, batch 2 of {num_batches}; likely "
        "causes: a high learning rate, negative='keep' in the graphs, or large features"
    )
    with pytest.raises(FloatingPointError, match=message):
        Trainer(**OPTIONS).fit(bpr(), data)


def test_a_score_that_is_not_finite_names_the_epoch(data: HeteroData) -> None:
    trainer = Trainer(lr=1e38, epochs=3, progress=False)
    with pytest.raises(
        FloatingPointError, match=r"Epoch 1: The scores must be numbers .*; likely causes: "
    ):
        trainer.fit(bpr(), data)


def test_progress_is_shown_on_standard_error(
    data: HeteroData, capsys: pytest.CaptureFixture[str]
) -> None:
    result = Trainer(**{**OPTIONS, "progress": True}).fit(bpr(), data)
    output = capsys.readouterr()
    assert output.out == ""
    first, last = [line for line in output.err.splitlines() if line]
    assert first.startswith(f"Epoch 1: bpr {result.history[0]['loss']['bpr']:.4f} reg ")
    best = f"(best {result.valid['recall@20']:.4f} in epoch {result.best_epoch})"
    assert last.startswith("Epoch 6: ")
    assert last.endswith(
        f"validation recall@20 {result.history[5]['valid']['recall@20']:.4f} {best}"
    )
    Trainer(**OPTIONS).fit(bpr(), data)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"'epochs' must be at least 1 \(got 0\)"),
        ({"patience": 0}, r"'patience' must be at least 1 \(got 0\)"),
        ({"batch_size": 0}, r"'batch_size' must be at least 1 \(got 0\)"),
        ({"lr": 0.0}, r"'lr' must be greater than 0 \(got 0.0\)"),
        ({"lr": float("nan")}, r"'lr' must be greater than 0 \(got nan\)"),
        ({"lr_decay": -1.0}, r"'lr_decay' must be greater than 0 \(got -1.0\)"),
        ({"lr_decay_epochs": 0}, r"'lr_decay_epochs' must be greater than 0 \(got 0\)"),
        ({"weight_decay": -0.1}, r"'weight_decay' must be at least 0 \(got -0.1\)"),
        ({"seed": -1}, r"'seed' must be at least 0 \(got -1\)"),
        ({"checkpoint_seconds": -1}, r"'checkpoint_seconds' must be at least 0 \(got -1\)"),
        ({"ks": ()}, r"'ks' must hold numbers of at least 1"),
        ({"metric": "recall@7"}, r"'metric' must be one of recall@5, .* \(got 'recall@7'\)"),
        ({"ks": [5]}, r"'metric' must be one of .*map@5 \(got 'recall@20'\)"),
        ({"precision": "8"}, r"'precision' must be one of 32-true, .* \(got '8'\)"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trainer(**options)


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_empty_split_is_refused(data: HeteroData, tmp_path: Path, split: str) -> None:
    data[INTERACTS][f"{split}_edge_label_index"] = torch.empty(2, 0, dtype=torch.long)
    with pytest.raises(ValueError, match=rf"'{split}' must hold interactions \(got none\)"):
        Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_size_is_refused(data: HeteroData) -> None:
    with pytest.raises(ValueError, match=r"for the 30 nodes of type 'user' in 'data' \(got 31\)"):
        Trainer(**OPTIONS).fit(BPR(31, 40), data)
    with pytest.raises(ValueError, match=r"for the 40 nodes of type 'item' in 'data' \(got 3\)"):
        Trainer(**OPTIONS).fit(BPR(30, 3), data)
