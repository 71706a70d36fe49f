"""Checks of interactions, and the data that they make with features."""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, SPLITS, USER

_log = logging.getLogger(__name__)

"""Names of the splits, in the order of their labels 0, 1 and 2."""


def sort_pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Returns the stable order of pairs by user and item.

    Args:
        user (numpy.ndarray): The users, :obj:`int64`, from 0 to less than :math:`10^9`.
        item (numpy.ndarray): The items, of the same kind.

    Example:
        >>> sort_pairs(np.array([1, 0, 1]), np.array([0, 5, 0]))
        array([1, 0, 2])
    """
    # Several times faster than numpy.lexsort.
    return np.argsort(user * 10**9 + item, kind="stable")


def check_pairs(user: np.ndarray, item: np.ndarray, where: Callable[[int], str]) -> None:
    """Refuses a pair of user and item that occurs twice, inside a split or across splits.

    Args:
        user (numpy.ndarray): The users, :obj:`int64`, not negative.
        item (numpy.ndarray): The items, :obj:`int64`, not negative.
        where (callable): Says where a row comes from.

    Raises:
        ValueError: If a pair occurs twice.
    """
    order = sort_pairs(user, item)
    same = (np.diff(user[order]) == 0) & (np.diff(item[order]) == 0)
    if same.any():
        # The sort is stable: the first repetition in the order of the rows.
        position = np.flatnonzero(same)
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
) -> HeteroData:
    """Builds the data from checked interactions; users without training interactions are dropped.

    Args:
        user (numpy.ndarray): The user of each interaction, from 0 to :obj:`num_users - 1`.
        item (numpy.ndarray): The item of each interaction, a position in :obj:`item_id`.
        label (numpy.ndarray): 0 for training, 1 for validation, 2 for test.
        num_users (int): Number of users before any is dropped.
        item_id (numpy.ndarray): The original id of each item.
        user_id (numpy.ndarray, optional): The original id of each user. (default: the users)
        features (mapping, optional): The features of all items by modality.
            (default: :obj:`None`)
        source (str): Where the interactions come from, for errors.
            (default: :obj:`"the interactions"`)

    Raises:
        ValueError: If a split is empty, also after users were dropped.
    """
    for value, split in enumerate(SPLITS):
        if not (label == value).any():
            raise ValueError(f"{source}: no {split} interactions (label {value})")
    kept = np.unique(user[label == 0])
    position = np.minimum(np.searchsorted(kept, user), len(kept) - 1)
    is_kept = kept[position] == user
    for value, split in enumerate(SPLITS):
        if not (is_kept & (label == value)).any():
            raise ValueError(f"{source}: no {split} interaction has a user with training ones")

    data = HeteroData()
    data[USER].num_nodes = len(kept)
    data[USER].id = kept if user_id is None else user_id[kept]
    data[ITEM].num_nodes = len(item_id)
    data[ITEM].id = item_id
    for modality, feature in (features or {}).items():
        data[ITEM][FEATURE_PREFIX + modality] = feature
    order = sort_pairs(position, item)
    order = order[is_kept[order]]
    pairs = torch.from_numpy(np.stack([position[order], item[order]]).astype(np.int64))
    labels = torch.from_numpy(label[order])
    names = ("edge_index", "val_edge_label_index", "test_edge_label_index")
    for value, name in enumerate(names):
        data[INTERACTS][name] = pairs[:, labels == value].contiguous()
    data.num_dropped_users = num_users - len(kept)
    if data.num_dropped_users:
        _log.warning(
            "%s: dropped %d of %d users without training interactions, with %d held-out pairs",
            *(source, data.num_dropped_users, num_users, int((~is_kept).sum())),
        )
    return data
