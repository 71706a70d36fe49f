from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BM3, BPR, Popularity
from soil_pyg.models.base import Recommender
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

Refused = Callable[[str, object], AbstractContextManager[object]]
MakeBPR = Callable[..., BPR]
OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 32, "epochs": 6, "progress": False}


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A folder that must not be made."""
    yield tmp_path / "out"
    assert not (tmp_path / "out").exists()


def test_a_corrupt_state_is_refused(data: HeteroData, tmp_path: Path, bpr: MakeBPR) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"state\.safetensors'"):
        Trainer(**OPTIONS).fit(bpr(), data, out=tmp_path)


@pytest.mark.parametrize("value", [torch.ones(1), float("nan")])
def test_settings_that_are_not_json_are_refused(
    data: HeteroData, out: Path, value: object, bpr: MakeBPR
) -> None:
    with pytest.raises(ValueError, match=r"'settings'.*'t'"):
        Trainer(**OPTIONS).fit(bpr(), data, out=out, settings={"t": value})


def test_models_that_cannot_be_imported_are_not_stored(
    data: HeteroData, out: Path, bpr: MakeBPR
) -> None:
    class Local(BPR):
        pass

    with pytest.raises(ValueError, match="Local'"):
        Trainer(**OPTIONS).fit(bpr(Local), data, out=out)
    assert Trainer(**OPTIONS).fit(bpr(Local), data).epochs == 6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch, value: float, bpr: MakeBPR
) -> None:
    num_batches = len(TripletLoader(data, batch_size=32))
    loss, calls = BPR.loss, iter(range(1000))

    def broken(self: BPR, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        terms = loss(self, data, batch)
        bad = next(calls) == num_batches + 1
        return {**terms, "second": terms["bpr"] * (value if bad else 1.0)}

    monkeypatch.setattr(BPR, "loss", broken)
    with pytest.raises(FloatingPointError, match=rf"'second'.*{value}.* 2, .* 2 of {num_batches}"):
        Trainer(**OPTIONS).fit(bpr(), data)


def test_a_score_that_is_not_finite_names_the_epoch(data: HeteroData, bpr: MakeBPR) -> None:
    with pytest.raises(FloatingPointError, match="Epoch 1"):
        Trainer(lr=1e38, epochs=3, progress=False).fit(bpr(), data)


@pytest.mark.parametrize(
    ("name", "got"),
    [
        *(
            (name, value)
            for name in (
                *("epochs", "patience", "batch_size", "num_partitions", "seed"),
                *("devices", "num_nodes"),
            )
            for value in (-1, 1.5, True, "3", float("nan"), float("inf"))
        ),
        *(
            ("batches_per_step", value)
            for value in (-1, 1.5, True, "3", float("nan"), float("inf"))
        ),
        *(
            (name, value)
            for name in ("lr", "lr_decay", "lr_decay_epochs", "weight_decay", "checkpoint_seconds")
            for value in (-1, float("nan"), float("inf"), "1", True)
        ),
        *(
            (name, 0)
            for name in ("epochs", "patience", "batch_size", "batches_per_step", "num_partitions")
        ),
        *((name, 1) for name in ("released_stopping", "compile", "progress")),
        *(("accelerator", value) for value in ("warp", "", 3, "tpu")),
        ("lr", 0.0),
        ("metric", 3),
        ("precision", 32),
        ("lr_decay", -1.0),
        ("lr_decay_epochs", 0),
        ("weight_decay", -0.1),
        ("seed", -1),
        ("checkpoint_seconds", -1),
        ("ks", []),
        ("metric", "recall@7"),
        ("precision", "8"),
        ("evaluate", "best"),
    ],
)
def test_wrong_arguments(refused: Refused, name: str, got: Any) -> None:
    with refused(name, repr(got)):
        Trainer(**{name: got})


@pytest.mark.parametrize("options", [{"compile": True}, {"num_partitions": 2}])
def test_several_batches_per_step_need_the_whole_graph(
    refused: Refused, options: dict[str, Any]
) -> None:
    with refused("batches_per_step", 3):
        Trainer(batches_per_step=3, **options)
    assert Trainer(batches_per_step=1, **options).batches_per_step == 1


@pytest.mark.parametrize("num_partitions", [1, 2])
@pytest.mark.parametrize("model", [BPR, BM3, Popularity])
def test_a_user_with_every_item_stops_no_model(
    data: HeteroData,
    caplog: pytest.LogCaptureFixture,
    model: type[Recommender],
    num_partitions: int,
) -> None:
    store, channels = data[INTERACTS], {"image": 3}
    data[ITEM].x_image = torch.ones(40, 3)
    everything = torch.stack([torch.full((40,), 7), torch.arange(40)])
    for attr in ("edge_index", "val_edge_label_index", "test_edge_label_index"):
        store[attr] = store[attr][:, store[attr][0] != 7]
    store.edge_index = torch.cat([store.edge_index, everything], dim=1)
    data = model.graph_transform()(data)
    trainer = Trainer(**OPTIONS, num_partitions=num_partitions)
    result = trainer.fit(model(30, 40, channels), data)
    assert 0 < result.test["recall@20"] <= 1
    if model is Popularity:
        # Without parameters, no triplets are drawn.
        assert caplog.messages == []
        return
    assert [text for text in caplog.messages if "40 triplets left out" in text] == caplog.messages
    assert len(caplog.messages) == 1
    # Everybody has everything that is in the training interactions.
    store = data[INTERACTS]
    store.edge_index = torch.stack([torch.arange(30), torch.zeros(30, dtype=torch.long)])
    store.val_edge_label_index = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match=r"'data'.*no negative"):
        Trainer(**OPTIONS).fit(model(30, 40, channels), data, test=False)


def test_the_metric_is_one_of_the_list_lengths(refused: Refused) -> None:
    with refused("metric", "'recall@20'"):
        Trainer(ks=[5])


def test_several_processes_cannot_be_compiled(refused: Refused) -> None:
    with refused("compile", "devices=2"):
        Trainer(devices=2, compile=True)


def test_partitions_are_dealt_evenly(refused: Refused) -> None:
    with refused("batches_per_step", 3):
        Trainer(devices=2, num_partitions=4, batches_per_step=3)


def test_partitions_cannot_be_compiled(refused: Refused) -> None:
    with refused("compile", "num_partitions=2"):
        Trainer(num_partitions=2, compile=True)


def test_more_partitions_than_users(
    data: HeteroData, out: Path, refused: Refused, bpr: MakeBPR
) -> None:
    with refused("num_partitions", 31):
        Trainer(**OPTIONS, num_partitions=31).fit(bpr(), data, out=out)


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_empty_split_is_refused(data: HeteroData, out: Path, split: str, bpr: MakeBPR) -> None:
    data[INTERACTS][f"{split}_edge_label_index"] = torch.empty(2, 0, dtype=torch.long)
    with pytest.raises(ValueError, match=rf"'{split}'.*\(got none\)"):
        Trainer(**OPTIONS).fit(bpr(), data, out=out)


@pytest.mark.parametrize(("num_users", "num_items", "got"), [(31, 40, 31), (30, 3, 3)])
def test_a_model_of_another_size_is_refused(
    data: HeteroData, refused: Refused, num_users: int, num_items: int, got: int
) -> None:
    with refused("model", got):
        Trainer(**OPTIONS).fit(BPR(num_users, num_items), data)


def test_arguments_in_the_wrong_place(data: HeteroData) -> None:
    model, trainer = BPR(data[USER].num_nodes, data[ITEM].num_nodes), Trainer(epochs=1)
    for wrong, other, message in [
        (data, model, r"'model' must be a Recommender, .*\(got HeteroData\)"),
        (torch.nn.Linear(1, 1), data, r"'model' .* compile=True \(got Linear\)"),
        (model, torch.eye(2), "'data' must be HeteroData"),
    ]:
        with pytest.raises(ValueError, match=message):
            trainer.fit(wrong, other)


def test_a_loss_that_is_no_dictionary(data: HeteroData) -> None:
    class Wrong(BPR):
        def loss(self, data: HeteroData, batch: Triplets) -> Any:
            return super().loss(data, batch)["bpr"]

    model = Wrong(data[USER].num_nodes, data[ITEM].num_nodes)
    with pytest.raises(TypeError, match=r"'loss\(\)' of Wrong must return a dict.*\(got Tensor\)"):
        Trainer(epochs=1, progress=False, accelerator="cpu").fit(model, data)
