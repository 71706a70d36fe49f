"""Interactions and features of any size, written block by block."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from soil_pyg.utils.progress import blocks

USERS_PER_BLOCK = 2**17
NUM_HOMES = 3
"""The number of clusters that a user draws items from."""
ITEMS_PER_CLUSTER = 250
POPULARITY = 0.8
"""The exponent of the popularity of clusters and of the items of a cluster."""
ELSEWHERE = 0.2
"""The share of pairs that are drawn from all items."""
NOISE = 0.5
MIN_PAIRS = 3
OVERSAMPLING = 1.2
"""The pairs to draw per pair to write, as repeated ones are left out."""


def write_input(
    folder: Path, num_users: int, num_items: int, num_pairs: int, channels: dict[str, int]
) -> None:
    """Writes a table of interactions, the ids of the items, and one matrix of features per
    modality, all with a structure of clusters.

    Clusters and items have popularities with a long tail. The features of an item are the centre
    of its cluster and noise. Repeated pairs are left out.

    Args:
        folder (Path): The folder, which must exist.
        num_users (int): The number of users.
        num_items (int): The number of items.
        num_pairs (int): The number of pairs of user and item.
        channels (dict[str, int]): The dimension of the features of each modality.
    """
    rng = np.random.default_rng(0)
    num_clusters = max(1, num_items // ITEMS_PER_CLUSTER)
    # Clusters are ranges of a random order of the items.
    ends = np.cumsum(rng.dirichlet(np.full(num_clusters, 2.0)))
    cluster = np.minimum(np.searchsorted(ends, np.arange(num_items) / num_items), num_clusters - 1)
    start = np.searchsorted(cluster, np.arange(num_clusters + 1))
    item_of_place = rng.permutation(num_items)
    for modality, size in channels.items():
        _write_features(folder / f"{modality}.npy", rng, item_of_place, cluster, size)
    np.save(folder / "items.npy", np.arange(num_items))
    schema = pyarrow.schema([("user", pyarrow.int64()), ("item", pyarrow.int64())])
    filled = np.flatnonzero(np.diff(start))
    written = 0
    with pyarrow.parquet.ParquetWriter(folder / "pairs.parquet", schema) as writer:
        for users in blocks(num_users, USERS_PER_BLOCK, "Drawing interactions"):
            size = users.stop - users.start
            extra = OVERSAMPLING * num_pairs / num_users - MIN_PAIRS
            count = MIN_PAIRS + np.floor(rng.exponential(extra + 0.5, size)).astype(int)
            user = np.repeat(np.arange(size), count)
            homes = filled[(len(filled) * rng.random((size, NUM_HOMES)) ** 2).astype(int)]
            home = homes[user, rng.integers(NUM_HOMES, size=len(user))]
            first, width = start[home], start[home + 1] - start[home]
            everywhere = rng.random(len(user)) < ELSEWHERE
            first[everywhere], width[everywhere] = 0, num_items
            place = first + _popular(rng.random(len(user)), width)
            key = np.unique(user * num_items + item_of_place[place])
            wanted = num_pairs * users.stop // num_users - written
            key = np.sort(rng.permutation(key)[:wanted])
            written += len(key)
            pairs = key // num_items + users.start, key % num_items
            writer.write_table(pyarrow.table(dict(zip(schema.names, pairs, strict=True))))


def _popular(point: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Returns places below the widths by inverse transform sampling of (1 + place)^-popularity."""
    power = 1 - POPULARITY
    place = (1 + point * ((width + 1.0) ** power - 1)) ** (1 / power) - 1
    chosen: np.ndarray = np.minimum(place.astype(int), width - 1)
    return chosen


def _write_features(
    path: Path, rng: np.random.Generator, item_of_place: np.ndarray, cluster: np.ndarray, size: int
) -> None:
    centre = rng.standard_normal((cluster.max() + 1, size), dtype=np.float32)
    shape = len(cluster), size
    x = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for places in blocks(len(cluster), USERS_PER_BLOCK, "Drawing features"):
        noise = rng.standard_normal((places.stop - places.start, size), dtype=np.float32)
        x[item_of_place[places]] = centre[cluster[places]] + NOISE * noise
    x.flush()
