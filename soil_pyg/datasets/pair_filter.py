"""Filters of interactions that count the pairs they drop."""

from dataclasses import dataclass

import numpy as np

from soil_pyg.datasets.interactions import pair_keys


@dataclass
class Dropped:
    """The reason of a step, and the numbers of users, items and pairs that it has dropped."""

    why: str
    users: int
    items: int
    pairs: int


class PairFilter:
    """The remaining rows of interactions with ids from 0, and the losses of each step."""

    def __init__(self, user: np.ndarray, item: np.ndarray) -> None:
        self._user, self._item = user, item
        self.rows = np.arange(len(user))
        self._is_whole = True
        self.dropped: list[Dropped] = []

    @property
    def user(self) -> np.ndarray:
        """The users of the remaining rows."""
        return self._user if self._is_whole else self._user[self.rows]

    @property
    def item(self) -> np.ndarray:
        """The items of the remaining rows."""
        return self._item if self._is_whole else self._item[self.rows]

    def keep(self, kept: np.ndarray, why: str) -> None:
        """Keeps the remaining rows in a mask, and counts the others under the reason :obj:`why`."""
        before = self._counts()
        if not kept.all():
            self.rows, self._is_whole = self.rows[kept], False
        lost = (old - new for old, new in zip(before, self._counts(), strict=True))
        self.dropped.append(Dropped(why, *lost))

    def _counts(self) -> tuple[int, int, int]:
        users, items = (int(np.bincount(ids).astype(bool).sum()) for ids in (self.user, self.item))
        return users, items, len(self.rows)


def k_core(user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """Returns the mask of the pairs that remain when users and items with fewer than :obj:`k` pairs
    are dropped repeatedly.

    Example:
        >>> k_core(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1]), 2)
        array([ True,  True,  True,  True, False])
    """
    rows = np.arange(len(user))
    while True:
        enough = np.ones(len(rows), dtype=bool)
        for ids in (user[rows], item[rows]):
            enough &= (np.bincount(ids) >= k)[ids]
        if enough.all():
            break
        rows = rows[enough]
    kept = np.zeros(len(user), dtype=bool)
    kept[rows] = True
    return kept


def largest_k_core(user: np.ndarray, item: np.ndarray) -> int:
    """Returns the largest :obj:`k` for which :func:`k_core` keeps any of at least one pair."""
    low, high = 1, int(min(np.bincount(user).max(), np.bincount(item).max()))
    while low < high:
        middle = (low + high + 1) // 2
        if k_core(user, item, middle).any():
            low = middle
        else:
            high = middle - 1
    return low


def latest_of_pairs(user: np.ndarray, item: np.ndarray, time: np.ndarray | None) -> np.ndarray:
    """Returns the mask of distinct pairs: the latest of repeated ones, or the first without times.

    Example:
        >>> latest_of_pairs(np.array([0, 0, 1]), np.array([5, 5, 5]), np.array([1, 2, 1]))
        array([False,  True,  True])
    """
    keys = pair_keys(user, item)
    kept = np.ones(len(keys), dtype=bool)
    ordered = np.sort(keys)
    if (ordered[1:] != ordered[:-1]).all():
        return kept
    del ordered
    order = np.arange(len(user)) if time is None else np.argsort(time, kind="stable")[::-1]
    keys = keys[order]
    order = order[np.argsort(keys, kind="stable")]
    keys.sort()
    kept[order[1:]] = keys[1:] != keys[:-1]
    return kept
