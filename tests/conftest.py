from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.typing import INTERACTS, ITEM, USER


@pytest.fixture
def random_data() -> Callable[..., HeteroData]:
    """Makes random interactions, split by user; the last items have none in training."""

    def make(
        num_users: int = 30, num_items: int = 40, seed: int = 0, num_unseen: int = 2
    ) -> HeteroData:
        rng = np.random.default_rng(seed)
        splits: dict[str, list[tuple[int, int]]] = {"": [], "val_": [], "test_": []}
        for user in range(num_users):
            items = rng.permutation(num_items - num_unseen)[: rng.integers(4, 12)]
            splits["val_"].append((user, items[0]))
            splits["test_"] += [(user, item) for item in items[1:3]]
            splits[""] += [(user, item) for item in items[3:]]
        data = HeteroData()
        data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
        data[USER].id = np.arange(num_users) * 10
        data[ITEM].id = np.array([f"item {i}" for i in range(num_items)])
        store = data[INTERACTS]
        for name, pairs in splits.items():
            edge_index = torch.tensor(sorted(pairs)).t().contiguous()
            store[f"{name}edge_label_index" if name else "edge_index"] = edge_index
        data.name, data.digest = "random", f"digest {seed}"
        return data

    return make


@pytest.fixture
def clustered_data() -> HeteroData:
    """Items whose features lie around few centres, and users who choose near one or two."""
    rng = np.random.default_rng(0)
    num_users, num_items, num_clusters = 80, 500, 20
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
    cluster = rng.integers(num_clusters, size=num_items)
    for modality, size in {"image": 16, "text": 12}.items():
        centre = rng.standard_normal((num_clusters, size))
        x = centre[cluster] + 0.4 * rng.standard_normal((num_items, size))
        x[rng.random(num_items) < 0.05] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x).float()
    pairs = set()
    for user in range(num_users):
        near = np.flatnonzero(np.isin(cluster, rng.integers(num_clusters, size=2)))
        pairs |= {(user, int(item)) for item in rng.choice(near, size=rng.integers(3, 9))}
    data[INTERACTS].edge_index = torch.tensor(sorted(pairs)).t().contiguous()
    return data
