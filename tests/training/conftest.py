from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs.training_run import TrainingRun, TrainResult
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.session import Session
from soil_pyg.training.trainer import Trainer


@pytest.fixture
def bpr() -> Callable[..., BPR]:
    """Makes a model for the data, with the same weights every time."""

    def make(cls: type[BPR] = BPR, **options: Any) -> BPR:
        torch.manual_seed(0)
        return cls(30, 40, hidden_channels=4, **options)

    return make


@pytest.fixture
def numbers() -> Callable[[TrainResult], dict[str, Any]]:
    """Returns the result of a run without its seconds."""
    return lambda result: {k: v for k, v in vars(result).items() if k != "seconds"}


@pytest.fixture
def open_session(data: HeteroData, bpr: Callable[..., BPR]) -> Callable[..., Session]:
    """Opens a session of a model on one process."""

    def open_(
        folder: Path | None = None,
        num_partitions: int = 1,
        batches_per_step: int = 1,
        model_class: type[BPR] = BPR,
    ) -> Session:
        model = bpr(model_class)
        trainer = Trainer(accelerator="cpu", progress=False)
        loader = PartitionLoader(data, 32, num_partitions=num_partitions)
        options = {**trainer.result_options(), "epochs": 9}
        run = TrainingRun(model, data, folder, {}, options, checkpoint_seconds=1000)
        parts = model, model, data, loader, run, Evaluator([5])
        # The report of the progress is tested with the training.
        progress: Any = EpochProgress
        return Session(trainer.launch(), *parts, progress, batches_per_step)

    return open_
