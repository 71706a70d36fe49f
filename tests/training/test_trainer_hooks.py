from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS


class StoppedError(Exception):
    pass


def make_model(data: HeteroData) -> BPR:
    torch.manual_seed(0)
    return BPR(data["user"].num_nodes, data["item"].num_nodes, hidden_channels=8)


def trainer() -> Trainer:
    return Trainer(lr=0.05, batch_size=32, epochs=4, progress=False)


def test_every_epoch_is_reported(random_data: Callable[..., HeteroData]) -> None:
    data = random_data()
    seen: list[tuple[int, int, float]] = []

    def on_epoch(result: TrainResult) -> None:
        seen.append((result.epochs, len(result.history), result.val["recall@20"]))

    result = trainer().fit(make_model(data), data, on_epoch=on_epoch)
    assert [(epoch, length) for epoch, length, _ in seen] == [(n, n) for n in (1, 2, 3, 4)]
    so_far = [entry["val"]["recall@20"] for entry in result.history]
    assert [best for _, _, best in seen] == [max(so_far[: n + 1]) for n in range(4)]


def test_an_exception_ends_the_training(
    random_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    data = random_data()

    def stop(result: TrainResult) -> None:
        if result.epochs == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        trainer().fit(make_model(data), data, on_epoch=stop)
    whole = trainer().fit(make_model(data), data)
    assert whole.epochs == 4


def test_training_without_the_test_split(
    random_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    data = random_data()
    whole = trainer().fit(make_model(data), data)
    del data[INTERACTS].test_edge_label_index
    result = trainer().fit(make_model(data), data, out=tmp_path, test=False)
    assert result.test == {}
    assert result.val == whole.val
    assert trainer().fit(make_model(data), data, out=tmp_path, test=False) == result
    with pytest.raises(ValueError, match="'test'"):
        trainer().fit(make_model(data), data, out=tmp_path)


def test_a_run_without_a_test_is_another_run(
    random_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    data = random_data()
    trainer().fit(make_model(data), data, out=tmp_path, test=False)
    with pytest.raises(ValueError, match=r"\(trainer\.test: False there, None now\)"):
        trainer().fit(make_model(data), data, out=tmp_path)
