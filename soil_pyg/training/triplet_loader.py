import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ops.ragged import budget_blocks
from soil_pyg.typing import ITEM, USER, Triplets
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import check_edges, count_nodes

logger = logging.getLogger("soil_pyg")

TRIPLETS_PER_BLOCK = 2**20
"""The number of triplets whose negative items are drawn at a time; a user has them in one block."""


class TripletLoader:
    r"""Yields batches of training triplets :math:`(u, i, j)`: every training interaction
    :math:`(u, i)` once per epoch, in random order, with one negative item :math:`j`.

    Negatives are uniform over the items that occur in the training interactions, but not in
    :math:`I(u)`. A user without such an item has no triplets; their number is logged. Order and
    negatives of an epoch follow from :obj:`(seed, epoch)`, so that an epoch can be repeated without
    the state of a random generator, on any device.

    Args:
        data (HeteroData): The data with its training interactions.
        batch_size (int): The number of triplets per batch; the last batch may be smaller.
            (default: :obj:`2048`)
        seed (int): The seed. (default: :obj:`0`)
        lane (int, optional): Yields the triplets of every :obj:`num_lanes`-th user alone, beginning
            with user :obj:`lane`; those of others take no memory. (default: :obj:`0`)
        num_lanes (int, optional): The number of lanes that share the users. (default: :obj:`1`)

    Raises:
        ValueError: If an argument is out of range, there are no training interactions, or every
            user has interacted with every item that occurs in them.

    Example:
        >>> data = HeteroData({"user": {"num_nodes": 2}, "item": {"num_nodes": 3}})
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [0, 2]])
        >>> loader = TripletLoader(data, batch_size=1)
        >>> [(t.user.item(), t.positive.item(), t.negative.item()) for t in loader]
        [(0, 0, 2), (1, 2, 0)]
    """

    def __init__(
        self,
        data: HeteroData,
        batch_size: int = 2048,
        seed: int = 0,
        lane: int = 0,
        num_lanes: int = 1,
    ) -> None:
        check_integer("batch_size", batch_size, 1)
        check_integer("seed", seed, 0)
        check_integer("num_lanes", num_lanes, 1)
        check_integer("lane", lane, 0, num_lanes - 1)
        edge_index = check_edges(data)
        if edge_index.size(1) == 0:
            raise ValueError("'data' must hold training interactions (got none)")
        self.batch_size = batch_size
        self.seed = seed
        self.set_epoch(0)

        num_users, num_items = count_nodes(data, USER), count_nodes(data, ITEM)
        self._lane, self._num_lanes = lane, num_lanes
        own = edges_of_lane(edge_index, lane, num_lanes)
        user, positive = _sorted_pairs(own.numpy(force=True), num_items)
        is_seen = np.zeros(num_items, dtype=bool)
        for block in torch.split(edge_index[1], TRIPLETS_PER_BLOCK):
            is_seen[block.numpy(force=True)] = True
        self._seen = np.flatnonzero(is_seen).astype(np.int32)
        self._position = np.cumsum(is_seen, dtype=np.int32) - 1
        place = user if num_lanes == 1 else user // num_lanes
        size = len(range(lane, num_users, num_lanes))
        self.degree = degree = np.bincount(place, minlength=size)
        """The number of triplets of each user of the lane."""
        is_full = degree == len(self._seen)
        if is_full.any():
            has_negative = ~is_full[place]
            user, positive = user[has_negative], positive[has_negative]
            self._leave_out(is_full)
        self.user = torch.from_numpy(user).to(edge_index.device)
        """The user of each triplet, in ascending order, as :obj:`int32`."""
        self._positive = torch.from_numpy(positive).to(edge_index.device)

    def _leave_out(self, full: np.ndarray) -> None:
        # Users who have every item.
        num_items, num_triplets = len(self._seen), int(self.degree[full].sum())
        self.degree[full] = 0
        # Users of other lanes may have negative items.
        if self._num_lanes == 1 and not self.degree.any():
            raise ValueError(
                "'data' must hold a user who has not interacted with every training item: else "
                f"there is no negative item (got {int(full.sum())} users with all {num_items})"
            )
        logger.warning(
            "%d triplets left out: no negative item for the %d of %d users who have all %d items",
            *(num_triplets, full.sum(), len(full), num_items),
        )

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration, at least 0; every iteration advances it by one."""
        check_integer("epoch", epoch, 0)
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.user) // self.batch_size)

    def __iter__(self) -> Iterator[Triplets]:
        order, negative = self.draw()
        for index in torch.split(order, self.batch_size):
            yield self.select(index, negative)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Returns the order of the triplets in the next epoch, and their negative items before they
        are ordered, both as :obj:`int32`.
        """
        rng = np.random.default_rng([self.seed, self._epoch, 0, self._lane])
        self._epoch += 1
        user, positive = self.user.numpy(force=True), self._positive.numpy(force=True)
        negative = np.empty(len(user), dtype=np.int32)
        # A negative is drawn as its rank r among the seen items that are not in I(u). With p the
        # sorted positions of I(u) among the seen items, its position is r + #{k : p[k] - k <= r}.
        num_seen, start = len(self._seen), 0
        for users in budget_blocks(torch.from_numpy(self.degree), TRIPLETS_PER_BLOCK):
            degree = self.degree[users]
            count = int(degree.sum())
            block = slice(start, start + count)
            first = np.repeat(degree.cumsum() - degree, degree)
            key = user[block].astype(np.int64) * num_seen
            gap = key + self._position[positive[block]] - (np.arange(count) - first)
            rank = rng.integers(num_seen - np.repeat(degree, degree))
            passed = np.searchsorted(gap, key + rank, side="right") - first
            negative[block] = self._seen[rank + passed]
            start += count
        order = np.arange(len(user), dtype=np.int32)
        rng.shuffle(order)
        device = self.user.device
        return torch.from_numpy(order).to(device), torch.from_numpy(negative).to(device)

    def select(self, index: Tensor, negative: Tensor) -> Triplets:
        """Returns the triplets of an index into them, given the negative items of all."""
        index = index.long()
        return Triplets(*(x[index].long() for x in (self.user, self._positive, negative)))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({len(self.user)}, batch_size={self.batch_size})"


def edges_of_lane(edge_index: Tensor, lane: int, num_lanes: int) -> Tensor:
    """Returns the edges of every :obj:`num_lanes`-th user, beginning with user :obj:`lane`.

    Example:
        >>> edges_of_lane(torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]]), lane=1, num_lanes=2)
        tensor([[1, 3],
                [5, 7]])
    """
    if num_lanes == 1:
        return edge_index
    blocks = torch.split(edge_index, TRIPLETS_PER_BLOCK, dim=1)
    return torch.cat([block[:, block[0] % num_lanes == lane] for block in blocks], dim=1)


def _sorted_pairs(edges: np.ndarray, num_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct edges, sorted, as :obj:`int32`."""
    row, col = edges
    if not _is_ascending(edges):
        key = row * num_items + col
        key.sort()
        row, col = np.divmod(key[np.diff(key, prepend=-1) > 0], num_items)
    return row.astype(np.int32), col.astype(np.int32)


def _is_ascending(edges: np.ndarray) -> bool:
    for begin in range(0, edges.shape[1], TRIPLETS_PER_BLOCK):
        row, col = np.diff(edges[:, begin : begin + TRIPLETS_PER_BLOCK + 1])
        if not ((row > 0) | ((row == 0) & (col > 0))).all():
            return False
    return True
