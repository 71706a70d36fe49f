from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData


def _make(
    seed: int,
    num_users: int = 7,
    num_items: int = 12,
    sizes: dict[str, int] | None = None,
    missing: float = 0.2,
    duplicates: int = 2,
) -> HeteroData:
    rng = np.random.default_rng(seed)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, num_items
    for modality, size in ({"image": 5, "text": 3} if sizes is None else sizes).items():
        x = rng.standard_normal((num_items, size)).astype(np.float32)
        for _ in range(duplicates):
            x[rng.integers(num_items)] = x[rng.integers(num_items)]
        x[rng.random(num_items) < missing] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    pairs = {(u, int(rng.integers(num_items))) for u in range(num_users)}
    pairs |= {
        (int(rng.integers(num_users)), int(rng.integers(num_items))) for _ in range(2 * num_users)
    }
    edge_index = torch.tensor(sorted(pairs)).t().contiguous()
    data["user", "interacts", "item"].edge_index = edge_index
    return data


@pytest.fixture(scope="session")
def random_data() -> Callable[..., HeteroData]:
    """Makes small data with duplicate feature rows, negative similarities and zero rows."""
    return _make


def _cosines(data: HeteroData) -> dict[str, np.ndarray]:
    out = {}
    for name in data["item"].keys():  # noqa: SIM118 (a store iterates over values)
        if name.startswith("x_"):
            x = data["item"][name].double().numpy()
            size = len(x)
            s = np.full((size, size), np.nan)
            for i in range(size):
                for j in range(size):
                    norm = np.sqrt((x[i] * x[i]).sum()) * np.sqrt((x[j] * x[j]).sum())
                    if norm > 0:
                        s[i, j] = (x[i] * x[j]).sum() / norm
            out[name.removeprefix("x_")] = s.round(9)
    return out


@pytest.fixture(scope="session")
def cosines() -> Callable[[HeteroData], dict[str, np.ndarray]]:
    """Similarities of all pairs by the definition, NaN where an item lacks the modality."""
    return _cosines
