from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

Features = dict[str, tuple[Tensor, Tensor]]


def _make(num_modalities: int = 2, num_items: int = 14, is_missing: bool = True) -> Features:
    generator = torch.Generator().manual_seed(0)
    features = {}
    for number, modality in enumerate(["image", "text", "audio"][:num_modalities]):
        x = torch.randn(num_items, 3 + number, generator=generator)
        x[7] = x[8] = x[3]
        if is_missing:
            x[[9, 5] if number == 0 else [9, 6, 11]] = 0
        features[modality] = torch.nn.functional.normalize(x), x.norm(dim=1) > 0
    return features


@pytest.fixture(scope="session")
def make_features() -> Callable[..., Features]:
    """Items 3, 7 and 8 are alike, 5 shares no modality with 6 and 11, and 9 has none."""
    return _make


def _cosines(features: Features) -> dict[str, np.ndarray]:
    out = {}
    for modality, (c, has) in features.items():
        s = np.full((len(c), len(c)), np.nan)
        for i in range(len(c)):
            for j in range(len(c)):
                if has[i] and has[j]:
                    x, y = c[i].double().numpy(), c[j].double().numpy()
                    s[i, j] = (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())
        out[modality] = s.round(9)
    return out


@pytest.fixture(scope="session")
def cosines() -> Callable[[Features], dict[str, np.ndarray]]:
    """Similarities of all pairs by the definition, NaN where an item lacks the modality."""
    return _cosines
