"""Hashes of user-item pairs by their original ids. A run keeps those of its training pairs."""

import numpy as np
from torch_geometric.data import HeteroData

from soil_pyg.datasets.ids import Ids
from soil_pyg.datasets.pair_hash import pair_hash
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER
from soil_pyg.utils.hetero import has_edges

PAIR_HASH = "trained_pair_hash"
"""The attribute of the data with the hashes of the pairs that earlier runs were trained on."""


def hashes_of(data: HeteroData, name: str, ids: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the hash of each pair in an attribute of :obj:`INTERACTS`, as :obj:`int64`; the
    original ids come by node type.
    """
    if not has_edges(data, INTERACTS, name):
        return np.empty(0, dtype=np.int64)
    index = data[INTERACTS][name].numpy(force=True)
    user, item = (Ids(*pair) for pair in zip(index, (ids[USER], ids[ITEM]), strict=True))
    return pair_hash(user, item).view(np.int64)


def training_hashes(data: HeteroData, ids: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the sorted hashes of the training pairs, and of the pairs that earlier runs were
    trained on.
    """
    hashes = hashes_of(data, EDGE_INDICES[0], ids)
    hashes.sort()
    if PAIR_HASH in data:
        return np.union1d(hashes, data[PAIR_HASH].numpy(force=True))
    is_repeated = hashes[1:] == hashes[:-1]
    return np.delete(hashes, np.flatnonzero(is_repeated)) if is_repeated.any() else hashes
