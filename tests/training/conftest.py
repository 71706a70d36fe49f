from collections.abc import Callable
from typing import Any

import pytest
import torch

from soil_pyg.models import BPR


@pytest.fixture
def bpr() -> Callable[..., BPR]:
    """Makes a model for the data, with the same weights every time."""

    def make(cls: type[BPR] = BPR, **options: Any) -> BPR:
        torch.manual_seed(0)
        return cls(30, 40, hidden_channels=4, **options)

    return make
