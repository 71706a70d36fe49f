"""Features of items, by the name of their source. Rows of similar items are consecutive.

``styles``: groups of eight items around random centres, as in
:class:`~soil_pyg.datasets.SyntheticMultimodal`; all other items are equally far. ``mixture``:
clusters of very different sizes, each near a subspace of its own, and a tail of single items.
``posters``: features of the posters or the texts of films, repeated with noise that has the
covariance of the features.
"""

from pathlib import Path

import numpy as np

POSTERS = "posters"
SOURCES = ("mixture", POSTERS, "styles")
POSTERS_DATASET = "ml1m"
STYLE_SIZE, STYLE_NOISE = 8, 0.5
TAIL = 0.1
"""The share of items outside of clusters."""
POPULARITY = 0.8
"""The exponent by which the sizes of clusters fall with their rank."""
RANK, SPREAD, NOISE = 8, 0.6, 0.1
"""The dimension of a cluster, and its spread and its noise relative to the centres."""
TAIL_RANK = 24
REPEATED_NOISE = 0.5
"""The noise of repeated features, relative to their standard deviation along each direction."""


def draw_features(
    source: str, num_items: int, channels: int, seed: int, path: str | Path | None = None
) -> np.ndarray:
    """Draws features of shape :obj:`[num_items, channels]` in single precision.

    Args:
        source (str): :obj:`"styles"`, :obj:`"mixture"` or :obj:`"posters"`.
        num_items (int): The number of items.
        channels (int): The number of channels.
        seed (int): The seed.
        path (str or Path, optional): The file of the features that :obj:`"posters"` repeats.
            (default: :obj:`None`)
    """
    rng = np.random.default_rng(seed)
    if source == "styles":
        return _styles(rng, num_items, channels)
    if source == "mixture":
        return _mixture(rng, num_items, channels)
    assert path is not None
    return _repeated(rng, num_items, channels, np.load(path, allow_pickle=False))


def posters_file(root: str | Path, modality: str) -> str | None:
    """Returns the path of the features that :obj:`"posters"` repeats, :obj:`None` without one."""
    path = Path(root, POSTERS_DATASET, f"{modality}_feat.npy")
    return str(path) if path.is_file() else None


def _styles(rng: np.random.Generator, num_items: int, channels: int) -> np.ndarray:
    x = _normal(rng, num_items, channels)
    x *= STYLE_NOISE
    centre = _normal(rng, -(-num_items // STYLE_SIZE), channels)
    x += centre.repeat(STYLE_SIZE, axis=0)[:num_items]
    return x


def _mixture(rng: np.random.Generator, num_items: int, channels: int) -> np.ndarray:
    num_clusters = max(1, round(num_items**0.5))
    weight = (1.0 + np.arange(num_clusters)) ** -POPULARITY
    num_clustered = num_items - round(TAIL * num_items)
    ends = np.cumsum(rng.multinomial(num_clustered, weight / weight.sum()))
    x = _normal(rng, num_items, channels)
    x *= NOISE
    for cluster in np.split(x[:num_clustered], ends[:-1]):
        cluster += _normal(rng, 1, channels)
        cluster += SPREAD * _near_subspace(rng, len(cluster), channels, RANK)
    x[num_clustered:] += _near_subspace(rng, num_items - num_clustered, channels, TAIL_RANK)
    return x


def _repeated(
    rng: np.random.Generator, num_items: int, channels: int, known: np.ndarray
) -> np.ndarray:
    known = known[np.abs(known).sum(axis=1) > 0].astype(np.float32)
    # Turned to the main directions, which keeps the inner products of what remains.
    known = known @ np.linalg.svd(known, full_matrices=False)[2][:channels].T
    x = _normal(rng, num_items, known.shape[1])
    x *= REPEATED_NOISE * known.std(axis=0)
    x += known[np.arange(num_items) * len(known) // num_items]
    return x


def _near_subspace(rng: np.random.Generator, size: int, channels: int, rank: int) -> np.ndarray:
    basis = _normal(rng, rank, channels) / np.float32(rank**0.5)
    return _normal(rng, size, rank) @ basis


def _normal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.standard_normal((rows, columns), dtype=np.float32)
