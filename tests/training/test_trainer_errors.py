from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, Triplets

RandomData = Callable[..., HeteroData]
OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 32, "epochs": 6, "progress": False}


@pytest.fixture
def data(random_data: RandomData) -> HeteroData:
    return random_data()


def bpr(cls: type[BPR] = BPR, **options: Any) -> BPR:
    torch.manual_seed(0)
    return cls(30, 40, hidden_channels=4, **options)


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
    num_batches = len(TripletLoader(data, batch_size=32))
    calls = iter(range(1000))

    def broken(self: BPR, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
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
        FloatingPointError, match=r"Epoch 1: The scores must be finite: .*; likely causes: "
    ):
        trainer.fit(bpr(), data)


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
