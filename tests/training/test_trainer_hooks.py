from collections.abc import Callable
from pathlib import Path

import pytest
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS

Fit = Callable[..., TrainResult]


class StoppedError(Exception):
    pass


@pytest.fixture
def fit(data: HeteroData, bpr: Callable[..., BPR]) -> Fit:
    trainer = Trainer(lr=0.05, batch_size=32, epochs=4, progress=False)
    return lambda **options: trainer.fit(bpr(), data, **options)


def test_every_epoch_is_reported(fit: Fit) -> None:
    seen: list[tuple[int, int, float]] = []
    result = fit(on_epoch=lambda r: seen.append((r.epochs, len(r.history), r.val["recall@20"])))
    so_far = [entry["val"]["recall@20"] for entry in result.history]
    assert seen == [(n, n, max(so_far[:n])) for n in (1, 2, 3, 4)]


def test_an_exception_ends_the_training(fit: Fit) -> None:
    epochs: list[int] = []

    def stop(result: TrainResult) -> None:
        epochs.append(result.epochs)
        if result.epochs == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(on_epoch=stop)
    assert epochs == [1, 2]
    assert fit().epochs == 4


def test_training_without_the_test_split_is_another_run(
    fit: Fit, data: HeteroData, tmp_path: Path
) -> None:
    whole, label_index = fit(), data[INTERACTS].pop("test_edge_label_index")
    result = fit(out=tmp_path, test=False)
    assert result.test == {}
    assert result.val == whole.val
    assert fit(out=tmp_path, test=False) == result
    with pytest.raises(ValueError, match="'test'"):
        fit(out=tmp_path)
    data[INTERACTS].test_edge_label_index = label_index
    with pytest.raises(ValueError, match=r"\(trainer\.test: False there, None now;"):
        fit(out=tmp_path)
