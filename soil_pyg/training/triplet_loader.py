import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.typing import ITEM, USER, Triplets
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import check_edges, count_nodes

logger = logging.getLogger("soil_pyg")


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

    def __init__(self, data: HeteroData, batch_size: int = 2048, seed: int = 0) -> None:
        check_integer("batch_size", batch_size, 1)
        check_integer("seed", seed, 0)
        edge_index = check_edges(data)
        if edge_index.size(1) == 0:
            raise ValueError("'data' must hold training interactions (got none)")
        self.batch_size = batch_size
        self.seed = seed
        self.set_epoch(0)

        row, col = edge_index.numpy(force=True)
        num_items = count_nodes(data, ITEM)
        user, positive = np.divmod(np.unique(row * num_items + col), num_items)
        self._seen, position = np.unique(positive, return_inverse=True)
        self.degree = degree = np.bincount(user, minlength=count_nodes(data, USER))
        """The number of triplets per user."""
        has_negative = (degree < len(self._seen))[user]
        if not has_negative.all():
            user, positive, position = (x[has_negative] for x in (user, positive, position))
            self._leave_out(degree == len(self._seen))
        self._user = torch.from_numpy(user).to(edge_index.device)
        self._positive = torch.from_numpy(positive).to(edge_index.device)

        # A negative is drawn as its rank r among the seen items that are not in I(u). With p the
        # sorted positions of I(u) among the seen items, its position is r + #{k : p[k] - k <= r}.
        self._start = (degree.cumsum() - degree)[user]
        self._key = user * len(self._seen)
        self._gap = self._key + position - (np.arange(len(user)) - self._start)
        self._num_candidates = (len(self._seen) - degree)[user]

    def _leave_out(self, full: np.ndarray) -> None:
        # Users who have every item.
        num_items, num_triplets = len(self._seen), int(self.degree[full].sum())
        self.degree[full] = 0
        if not self.degree.any():
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
        return -(-len(self._user) // self.batch_size)

    def __iter__(self) -> Iterator[Triplets]:
        rng = np.random.default_rng([self.seed, self._epoch])
        self._epoch += 1
        device = self._user.device
        rank = rng.integers(self._num_candidates)
        passed = np.searchsorted(self._gap, self._key + rank, side="right") - self._start
        negative = torch.from_numpy(self._seen[rank + passed]).to(device)
        order = torch.from_numpy(rng.permutation(len(negative))).to(device)
        for index in torch.split(order, self.batch_size):
            yield Triplets(self._user[index], self._positive[index], negative[index])

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({len(self._user)}, batch_size={self.batch_size})"
