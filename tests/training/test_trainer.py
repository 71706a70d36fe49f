from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.models import BPR, ItemKNN, Popularity, Recommender
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

MakeBPR = Callable[..., BPR]
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

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {"weight": self.weight * 0.25, "more": self.weight * 0.75}


class Scripted(Evaluator):
    """Returns metrics that are written beforehand."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = iter(values)
        self.splits: list[str] = []

    def evaluate(self, model: Any, data: HeteroData, split: str = "val") -> dict[str, float]:
        self.splits.append(split)
        return {"recall@20": next(self.values)}


def test_training_learns_and_keeps_the_best_weights(data: HeteroData, bpr: MakeBPR) -> None:
    model = bpr()
    result = Trainer(**{**OPTIONS, "epochs": 40, "patience": 40}).fit(model, data)
    first, last = result.history[0], result.history[-1]
    assert last["loss"]["bpr"] < 0.8 * first["loss"]["bpr"]
    assert [entry["epoch"] for entry in result.history] == list(range(1, 41))
    recalls = [entry["val"]["recall@20"] for entry in result.history]
    assert result.epochs == 40
    assert result.best_epoch == recalls.index(max(recalls)) + 1 < 40
    assert result.val == result.history[result.best_epoch - 1]["val"]
    assert Evaluator().evaluate(model, data, "val") == result.val
    assert Evaluator().evaluate(model, data, "test") == result.test
    assert 0 < result.seconds["train"] < result.seconds["total"]
    assert 0 < result.seconds["evaluate"] < result.seconds["total"]


def test_learning_rate_falls_once_per_epoch(data: HeteroData) -> None:
    model = Line(30, 40)
    trainer = Trainer(lr=0.1, lr_decay=0.5, lr_decay_epochs=2, epochs=4, progress=False)
    result = trainer.fit(model, data)
    rates = [0.1 * 0.5 ** (epoch / 2) for epoch in range(4)]
    expected = [0.0, -rates[0], -sum(rates[:2]), -sum(rates[:3])]
    assert model.starts == pytest.approx(expected, rel=1e-5)
    assert result.history[1]["loss"] == pytest.approx(
        {"weight": -rates[0] / 4, "more": -rates[0] * 3 / 4}, rel=1e-5
    )


def test_batches_are_those_of_the_loader(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch, bpr: MakeBPR
) -> None:
    batches, loss = [], BPR.loss

    def record(self: BPR, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        batches.append(torch.stack(batch))
        return loss(self, data, batch)

    monkeypatch.setattr(BPR, "loss", record)
    Trainer(**{**OPTIONS, "epochs": 2, "seed": 4}).fit(bpr(), data)
    loader = TripletLoader(data, batch_size=32, seed=4)
    expected = [torch.stack(batch) for _ in range(2) for batch in loader]
    assert len(batches) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(batches, expected, strict=True))


def test_epochs_start_in_training_mode_with_numbers_of_their_own(data: HeteroData) -> None:
    class Recording(Line):
        def on_epoch_start(self, data: HeteroData) -> None:
            drawn.append((self.training, torch.rand(1).item()))

    drawn: list[tuple[bool, float]] = []
    for seed in (1, 1, 2):
        Trainer(epochs=3, seed=seed, progress=False).fit(Recording(30, 40).eval(), data)
    assert all(training for training, _ in drawn)
    assert drawn[:3] == drawn[3:6]
    assert len({value for _, value in drawn}) == 6


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_weight_decay_shrinks_the_weights(
    data: HeteroData, bpr: MakeBPR, num_partitions: int
) -> None:
    norms = []
    for weight_decay in (0.0, 1.0):
        model = bpr()
        options = {"weight_decay": weight_decay, "num_partitions": num_partitions}
        Trainer(**OPTIONS, **options).fit(model, data)
        norms.append(model.user_embedding.weight.norm().item())
    assert norms[1] < 0.8 * norms[0]


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
    assert result.val["recall@20"] == values[best_epoch - 1]
    assert trainer.evaluator.splits == ["val"] * epochs + ["test"]
    assert result.test == {"recall@20": 0.7}


@pytest.mark.parametrize(("patience", "value"), [(2, 0.3), (3, 0.3), (4, 0.3), (2, 0.0)])
def test_stopping_waits_for_a_strictly_better_value(
    data: HeteroData, patience: int, value: float
) -> None:
    trainer = Trainer(patience=patience, progress=False)
    trainer.evaluator = Scripted([value] * 20)
    result = trainer.fit(Line(30, 40), data)
    assert (result.best_epoch, result.epochs) == (1, 1 + patience)


class Fixed(Line):
    """Has a parameter without a loss."""

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {}


@pytest.mark.parametrize("model_class", [Popularity, ItemKNN, Fixed])
def test_models_without_parameters_or_loss_are_only_evaluated(
    data: HeteroData, tmp_path: Path, model_class: type[Recommender]
) -> None:
    data = model_class.graph_transform()(data)
    model = model_class(30, 40)
    result = Trainer(**OPTIONS).fit(model, data, out=tmp_path)
    assert (result.best_epoch, result.epochs, result.history) == (0, 0, [])
    assert result.val == Evaluator().evaluate(model, data, "val")
    assert result.test == Evaluator().evaluate(model, data, "test")
    assert soil_pyg.load(tmp_path).metrics == {"val": result.val, "test": result.test}
    assert all(parameter.item() == 0 for parameter in model.parameters())


def test_data_stays_as_it_was(data: HeteroData, bpr: MakeBPR) -> None:
    before = {name: value.clone() for name, value in data[INTERACTS].items()}
    Trainer(**OPTIONS).fit(bpr(), data)
    assert all(torch.equal(data[INTERACTS][name], value) for name, value in before.items())


def test_mixed_precision(data: HeteroData, bpr: MakeBPR) -> None:
    result = Trainer(**OPTIONS, precision="bf16-mixed", accelerator="cpu").fit(bpr(), data)
    exact = Trainer(**OPTIONS, accelerator="cpu").fit(bpr(), data)
    losses = [r.history[0]["loss"]["bpr"] for r in (result, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.gpu
def test_gpu(data: HeteroData, tmp_path: Path, bpr: MakeBPR) -> None:
    model = bpr()
    result = Trainer(**OPTIONS, accelerator="cuda").fit(model, data, out=tmp_path)
    on_cpu = Trainer(**OPTIONS, accelerator="cpu").fit(bpr(), data)
    assert next(model.parameters()).is_cuda
    assert not data[INTERACTS].edge_index.is_cuda
    assert result.history[0]["loss"] == pytest.approx(on_cpu.history[0]["loss"], rel=1e-4)
    assert soil_pyg.load(tmp_path).user_emb.device.type == "cpu"


def test_a_trained_model_is_loaded(data: HeteroData, tmp_path: Path, bpr: MakeBPR) -> None:
    model = bpr()
    result = Trainer(**OPTIONS).fit(model, data, out=tmp_path, settings={"k": 3})
    trained = soil_pyg.load(tmp_path)
    assert torch.equal(trained.user_emb, model(data)[0])
    assert torch.equal(trained.item_emb, model(data)[1])
    assert trained.metrics == {"val": result.val, "test": result.test}
    assert trained.settings == {"k": 3}
    assert trained.data_digest == "digest 0"
    assert trained.user_id.tolist() == data[USER].id.tolist()
    assert trained.item_id.tolist() == data[ITEM].id.tolist()
    assert trained.run["trainer"]["lr"] == 0.05
    assert trained.run["trainer"]["seed"] == 0
    assert trained.run["finished"] is True
    assert trained.run["history"] == result.history
    assert (tmp_path / "state.safetensors").exists()


def test_a_model_without_parameters_needs_no_triplets(
    data: HeteroData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_pyg.training.trainer.PartitionLoader", None)
    result = Trainer(**OPTIONS).fit(Popularity(30, 40), data, out=tmp_path)
    assert (result.epochs, len(result.test)) == (0, 16)


def test_progress_is_shown_on_standard_error(
    data: HeteroData, capsys: pytest.CaptureFixture[str], bpr: MakeBPR
) -> None:
    result = Trainer(**{**OPTIONS, "progress": True}).fit(bpr(), data)
    output = capsys.readouterr()
    assert output.out == ""
    first, *_, last = output.err.splitlines()
    terms = result.history[0]["loss"]
    loss = f"loss {sum(terms.values()):.4f} (bpr {terms['bpr']:.4f}, reg {terms['reg']:.4f})"
    assert first.startswith(f"epoch 1/6: {loss}, ")
    best = f"(best {result.val['recall@20']:.4f} in epoch {result.best_epoch})"
    assert last.startswith("epoch 6/6: ")
    assert f"recall@20 {result.history[5]['val']['recall@20']:.4f} {best}, 0 s left" in last
    Trainer(**OPTIONS).fit(bpr(), data)
    assert capsys.readouterr().err == ""
