"""Splits of interactions, sorted by user and item, into train (0), val (1) and test (2)."""

from collections.abc import Sequence

import numpy as np

from soil_pyg.utils.checks import check_choice


def check_split(
    split_column: str | None, split: str | None, time_column: str | None, ratios: Sequence[float]
) -> None:
    """Refuses split options that are invalid or do not fit together."""
    if len(ratios) != 3 or min(ratios) <= 0 or abs(sum(ratios) - 1) > 1e-6:
        raise ValueError(f"'ratios' must be three positive shares whose sum is 1 (got {ratios})")
    if split_column is not None and split is not None:
        raise ValueError(f"'split' must not be given with 'split_column' (got {split!r})")
    if split is not None:
        check_choice("split", split, ("random", "last", "time"))
    if (split in ("last", "time")) != (time_column is not None):
        raise ValueError(
            "'time_column' must be given with the splits 'last' and 'time' only "
            f"(got split {split!r} and time_column {time_column!r})"
        )


def random_split(user: np.ndarray, ratios: Sequence[float], seed: int) -> np.ndarray:
    r"""Splits the interactions of each user at random and returns their labels.

    Of the :math:`n \geq 3` interactions of a user, :math:`\max(1, \lfloor n r \rfloor)` are held
    out for validation and for test, where :math:`r` is the share. A user with fewer keeps all for
    training.

    Example:
        >>> random_split(np.array([0, 0, 0, 0, 1, 1]), (0.8, 0.1, 0.1), seed=0)
        array([2, 1, 0, 0, 0, 0])
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(user)), user))
    return _split_ends(user, order, ratios)


def last_split(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Holds out the last interaction of each user for test and the one before for validation.

    A user with fewer than three interactions keeps all for training. At equal times, the larger
    item id counts as later.

    Example:
        >>> last_split(np.array([0, 0, 0, 0]), time=np.array([7, 9, 8, 7]))
        array([0, 2, 1, 0])
    """
    return _split_ends(user, np.lexsort((time, user)), (1.0, 0.0, 0.0))


def time_split(time: np.ndarray, ratios: Sequence[float]) -> np.ndarray:
    """Splits all interactions at two points in time; equal times are never separated.

    The ratios are the maximum shares, as interactions at the time of a cut come after it.

    Example:
        >>> time_split(np.array([4, 3, 2, 1]), ratios=(0.5, 0.25, 0.25))
        array([2, 1, 0, 0])
    """
    shares = np.cumsum(ratios)[:2]
    positions = np.minimum(np.floor(len(time) * shares + 1e-9).astype(int), len(time) - 1)
    first, second = np.sort(time)[positions]
    label: np.ndarray = (time >= first).astype(np.int64) + (time >= second)
    return label


def _split_ends(user: np.ndarray, order: np.ndarray, ratios: Sequence[float]) -> np.ndarray:
    _, start, count = np.unique(user, return_index=True, return_counts=True)
    size = np.repeat(count, count)
    from_end = np.repeat(start + count, count) - np.arange(len(user))
    num_val, num_test = (np.maximum(1, np.floor(size * r + 1e-9)) for r in ratios[1:])
    num_val = np.minimum(num_val, size - num_test - 1)
    label = np.where(from_end <= num_test, 2, np.where(from_end <= num_test + num_val, 1, 0))
    result = np.empty(len(user), dtype=np.int64)
    result[order] = np.where(size >= 3, label, 0)
    return result
