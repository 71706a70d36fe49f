import sys
from pathlib import Path

import pytest

from soil_pyg import train
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.tensorboard import TensorBoardLog

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = accumulator.EventAccumulator(str(folder / "tensorboard")).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def entry(epoch: int) -> dict:
    return {"epoch": epoch, "loss": {"bpr": 1 / epoch}, "val": {"recall@20": epoch / 8}}


def test_events(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    result = TrainResult(history=[entry(1)])
    log.on_epoch(result)
    result.history.append(entry(2))
    log.on_epoch(result)
    result.test, result.best_epoch = {"recall@20": 0.5}, 2
    log.end(result)
    assert scalars(tmp_path) == {
        "loss/bpr": [(1, 1.0), (2, 0.5)],
        "val/recall@20": [(1, 0.125), (2, 0.25)],
        "test/recall@20": [(2, 0.5)],
    }


def test_a_resumed_run_writes_all_epochs_once(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    for epoch in (1, 2):
        log.on_epoch(TrainResult(history=[entry(e) for e in range(1, epoch + 1)]))
    again = TensorBoardLog(tmp_path)
    again.on_epoch(TrainResult(history=[entry(1), entry(2), entry(3)]))
    assert [step for step, _ in scalars(tmp_path)["loss/bpr"]] == [1, 2, 3]


def test_a_run_writes_events_to_its_folder(data_folder: Path, tmp_path: Path) -> None:
    options = {"epochs": 2, "hidden_channels": 4, "progress": False, "device": "cpu"}
    result = train(data_folder, tmp_path / "run", "bpr", tensorboard=True, **options)
    found = scalars(tmp_path / "run")
    expected = [(e["epoch"], pytest.approx(e["loss"]["bpr"])) for e in result.history]
    assert found["loss/bpr"] == expected
    assert found["test/ndcg@10"] == [(result.best_epoch, pytest.approx(result.test["ndcg@10"]))]


def test_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install .*\[tensorboard\]"):
        TensorBoardLog(tmp_path)
