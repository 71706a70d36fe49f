"""Checks of interactions and construction of the data."""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.typing import EDGE_INDICES, FEATURE_PREFIX, INTERACTS, ITEM, SPLITS, USER

_log = logging.getLogger(__name__)


def sort_pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Returns the stable order of pairs by user and item, both from 0 to less than :math:`10^9`.

    Example:
        >>> sort_pairs(np.array([1, 0, 1]), np.array([0, 5, 0]))
        array([1, 0, 2])
    """
    return np.argsort(pair_keys(user, item), kind="stable")


def pair_keys(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Returns a number per pair of user and item, in the order of the pairs. To sort one array of
    numbers takes a fraction of the time of :func:`numpy.lexsort`.
    """
    keys = user * np.int64(10**9)
    keys += item
    return keys


def check_pairs(user: np.ndarray, item: np.ndarray, where: Callable[[int], str]) -> None:
    """Refuses pairs of user and item that occur twice, within a split or across splits.

    The ids are not negative; :obj:`where` returns the origin of a row, for the error.
    """
    keys = pair_keys(user, item)
    keys.sort()
    if (keys[1:] == keys[:-1]).any():
        keys = pair_keys(user, item)
        order = np.argsort(keys, kind="stable")
        # The sort is stable: the first repetition in the order of the rows.
        position = np.flatnonzero(np.diff(keys[order]) == 0)
        row = position[np.argmin(order[position + 1])]
        raise ValueError(
            f"{where(order[row + 1])}: the pair of user and item was already given at "
            f"{where(order[row])}; keep one of them"
        )


def to_hetero_data(
    user: np.ndarray,
    item: np.ndarray,
    label: np.ndarray,
    num_users: int,
    item_id: np.ndarray,
    user_id: np.ndarray | None = None,
    features: Mapping[str, Tensor] | None = None,
    source: str = "the interactions",
    holds_out: bool = True,
) -> HeteroData:
    """Builds the data from checked interactions and drops users without training interactions.

    Args:
        user (numpy.ndarray): The user of each interaction, from 0 to :obj:`num_users - 1`.
        item (numpy.ndarray): The item of each interaction, a position in :obj:`item_id`.
        label (numpy.ndarray): The position of each interaction's split in :obj:`SPLITS`.
        num_users (int): The number of users before any is dropped.
        item_id (numpy.ndarray): The original id of each item.
        user_id (numpy.ndarray, optional): The original id of each user. (default: the users)
        features (mapping, optional): The features of all items per modality.
        source (str): The origin of the interactions, for errors.
        holds_out (bool): Whether val and test must have interactions.

    Raises:
        ValueError: If a split is empty before or after users are dropped.
    """
    splits = list(enumerate(SPLITS if holds_out else SPLITS[:1]))
    for value, split in splits:
        if not (label == value).any():
            advice = ": give more, or hold nothing out (--ratios 1 0 0)" if value else ""
            raise ValueError(f"{source}: no {split} interactions (label {value}){advice}")
    is_trained = np.zeros(int(user.max()) + 1, dtype=bool)
    is_trained[user[label == 0]] = True
    kept = np.flatnonzero(is_trained)
    is_kept = is_trained[user]
    for value, split in splits:
        if not (is_kept & (label == value)).any():
            raise ValueError(
                f"{source}: no user of a {split} interaction has training interactions"
            )

    data = HeteroData()
    data[USER].num_nodes = len(kept)
    data[USER].id = kept if user_id is None else user_id[kept]
    data[ITEM].num_nodes = len(item_id)
    data[ITEM].id = item_id
    for modality, feature in (features or {}).items():
        data[ITEM][FEATURE_PREFIX + modality] = feature
    for value, name in enumerate(EDGE_INDICES):
        rows = np.flatnonzero(is_kept & (label == value))
        rows = rows[sort_pairs(user[rows], item[rows])]
        edges = np.empty((2, len(rows)), dtype=np.int64)
        edges[0], edges[1] = np.searchsorted(kept, user[rows]), item[rows]
        data[INTERACTS][name] = torch.from_numpy(edges)
    data.num_dropped_users = num_users - len(kept)
    if data.num_dropped_users:
        _log.warning(
            "%s: dropped %d of %d users without training interactions, with %d held-out pairs",
            *(source, data.num_dropped_users, num_users, int((~is_kept).sum())),
        )
    return data
