"""Splits of interactions into train (0), val (1) and test (2)."""

from collections.abc import Sequence

import numpy as np

from soil_pyg.datasets.ids import Ids
from soil_pyg.datasets.interactions import pair_keys
from soil_pyg.datasets.pair_hash import pair_hash
from soil_pyg.utils.checks import check_choice, check_numbers
from soil_pyg.utils.progress import blocks

KINDS = ("random", "last", "time")
"""The kinds of split that can be made."""
ALL_TRAIN = (1.0, 0.0, 0.0)
"""The shares that hold nothing out."""
TIMED = ("last", "time")
"""The kinds that require times."""
PAIRS_PER_BLOCK = 2**20
"""The number of pairs that are split at random at a time."""


def check_split(
    split_column: str | None, split: str | None, time_column: str | None, ratios: Sequence[float]
) -> None:
    """Refuses split options that are invalid or do not fit together."""
    check_numbers("ratios", ratios)
    holds_out = tuple(ratios) != ALL_TRAIN
    if len(ratios) != 3 or (holds_out and min(ratios) <= 0) or abs(sum(ratios) - 1) > 1e-6:
        raise ValueError(
            "'ratios' (--ratios) must be three positive shares whose sum is 1, or 1 0 0 to hold "
            f"nothing out (got {ratios})"
        )
    if split_column is not None and split is not None:
        raise ValueError(
            "'split' (--split) must not be given with 'split_column' (--split-column) "
            f"(got {split!r})"
        )
    if split is not None:
        check_choice("split", split, KINDS)
    if split in TIMED and time_column is None:
        raise ValueError(f"split {split!r} requires 'time_column' (--time-column)")
    if split not in TIMED and time_column is not None:
        raise ValueError(
            "'time_column' (--time-column) requires the split 'last' or 'time' (--split) "
            f"(got split {split!r} and time_column {time_column!r})"
        )


def split_pairs(
    user: Ids,
    item: Ids,
    split: str,
    time: np.ndarray | None,
    ratios: Sequence[float],
    seed: int,
) -> np.ndarray:
    """Returns the labels of distinct pairs by a kind of split, whatever the order of the rows.

    Equal times are ordered by a hash of the seed and the original ids of the pair.
    """
    if split != "last" and tuple(ratios) == ALL_TRAIN:
        return np.zeros(len(user.position), dtype=np.int8)
    if split == "random":
        keys = pair_keys(user.position, item.position)
        if (keys[1:] >= keys[:-1]).all():
            return random_split(user.position, ratios, seed)
        order = np.argsort(keys, kind="stable")
        del keys
        label = np.empty(len(order), dtype=np.int8)
        label[order] = random_split(user.position[order], ratios, seed)
        return label
    assert time is not None
    tie_break = pair_hash(user, item, seed)
    if split == "last":
        return last_split(user.position, time, tie_break)
    return time_split(time, tie_break, ratios)


def random_split(user: np.ndarray, ratios: Sequence[float], seed: int) -> np.ndarray:
    r"""Splits the interactions of each user at random and returns their labels.

    Of the :math:`n \geq 3` interactions of a user, :math:`\max(1, \lfloor n r \rfloor)` are held
    out for validation and for test, where :math:`r` is the share. A user with fewer keeps all for
    training. The users are in ascending order.

    Example:
        >>> random_split(np.array([0, 0, 0, 0, 1, 1]), (0.8, 0.1, 0.1), seed=0).tolist()
        [2, 1, 0, 0, 0, 0]
    """
    rng = np.random.default_rng(seed)
    label, end = np.empty(len(user), dtype=np.int8), 0
    for block in blocks(len(user), PAIRS_PER_BLOCK, "Splitting"):
        # A user has all pairs in one block.
        begin, end = end, int(np.searchsorted(user, user[block.stop - 1], side="right"))
        some = user[begin:end]
        order = np.lexsort((rng.random(len(some)), some))
        label[begin:end] = _split_ends(some, order, ratios)
    return label


def last_split(user: np.ndarray, time: np.ndarray, tie_break: np.ndarray) -> np.ndarray:
    """Holds out the last interaction of each user for test and the one before for validation.

    A user with fewer than three interactions keeps all for training. At equal times, the larger
    :obj:`tie_break` counts as later.

    Example:
        >>> time, tie_break = np.array([7, 9, 8, 8]), np.array([5, 2, 3, 4])
        >>> last_split(np.array([0, 0, 0, 0]), time, tie_break).tolist()
        [0, 2, 0, 1]
    """
    return _split_ends(user, np.lexsort((tie_break, time, user)), (1.0, 0.0, 0.0))


def time_split(time: np.ndarray, tie_break: np.ndarray, ratios: Sequence[float]) -> np.ndarray:
    """Splits all interactions at two points in time. At equal times, the larger :obj:`tie_break`
    counts as later.

    Example:
        >>> time_split(np.array([3, 2, 2, 1]), np.array([0, 8, 7, 0]), ratios=(0.5, 0.25, 0.25))
        array([2, 1, 0, 0])
    """
    order = np.lexsort((tie_break, time))
    shares = np.cumsum(ratios)[:2]
    cuts = np.minimum(np.floor(len(time) * shares + 1e-9).astype(int), len(time) - 1)
    label = np.empty(len(time), dtype=np.int64)
    label[order] = np.searchsorted(cuts, np.arange(len(time)), side="right")
    return label


def is_tied(label: np.ndarray, time: np.ndarray, user: np.ndarray | None = None) -> np.ndarray:
    """Returns the mask of the pairs whose split depends on the order of equal times: another pair
    of the same time, and of the same user if users are given, is in another split.

    Example:
        >>> is_tied(np.array([0, 0, 1, 2]), np.array([6, 7, 7, 8]))
        array([False,  True,  True, False])
    """
    if len(label) == 0:
        return np.zeros(0, dtype=bool)
    user = np.zeros(len(label), dtype=np.int64) if user is None else user
    held_out = label > 0
    # Sorting is slow, and the times before the first held-out one are in the train split.
    first = np.full(user.max() + 1, time.max())
    np.minimum.at(first, user[held_out], time[held_out])
    rows = np.flatnonzero(time >= first[user])
    rows = rows[np.lexsort((label[rows], time[rows], user[rows]))]
    begins = (np.diff(user[rows], prepend=-1) != 0) | (
        np.diff(time[rows], prepend=time[rows[0]]) != 0
    )
    start = np.flatnonzero(begins)
    count = np.diff(np.append(start, len(rows)))
    split = label[rows]
    tied = np.zeros(len(label), dtype=bool)
    # Pairs of equal time are sorted by split.
    tied[rows] = np.repeat(split[start] != split[start + count - 1], count)
    return tied


def _split_ends(user: np.ndarray, order: np.ndarray, ratios: Sequence[float]) -> np.ndarray:
    _, count = np.unique(user, return_counts=True)
    size = np.repeat(count, count)
    from_end = np.repeat(np.cumsum(count), count) - np.arange(len(user))
    num_val, num_test = (np.maximum(1, np.floor(size * r + 1e-9)) for r in ratios[1:])
    num_val = np.minimum(num_val, size - num_test - 1)
    label = np.where(from_end <= num_test, 2, np.where(from_end <= num_test + num_val, 1, 0))
    result = np.empty(len(user), dtype=np.int8)
    result[order] = np.where(size >= 3, label, 0)
    return result
