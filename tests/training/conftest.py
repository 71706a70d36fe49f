from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR, Recommender
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.typing import Triplets


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
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Interrupts a model, as Ctrl-C does, in the given batch from now on."""

    def install(batch: int, model_class: type[Recommender] = BPR) -> None:
        loss, calls = model_class.loss, iter(range(1, batch))

        def interrupted(self: Any, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
            if next(calls, None) is None:
                monkeypatch.setattr(model_class, "loss", loss)
                raise KeyboardInterrupt
            return loss(self, data, batch)

        monkeypatch.setattr(model_class, "loss", interrupted)

    return install
