from collections.abc import Callable
from typing import Any

import pytest
import torch

from soil_pyg.models import BPR
from soil_pyg.runs.training_run import TrainResult


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
