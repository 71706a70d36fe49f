from collections.abc import Iterator, Sequence
from itertools import chain, pairwise, zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.training.subgraph_sampler import SubgraphSampler, positions
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import count_nodes

STREAM = 1
"""Separates the random numbers of the partitions from those of the triplets."""


class Step(NamedTuple):
    """A step of the optimizer: the number of its batches that this process yields, and the number
    of losses whose gradients all processes add up.
    """

    own: int
    total: int


class PartitionLoader:
    r"""Yields the batches of a :class:`~soil_pyg.training.TripletLoader`, each with the data to
    train on: the whole data, or the partition that the batch belongs to.

    With several partitions, the users are split at random in every epoch, as :obj:`(seed, epoch)`
    determines, into sets with about equal numbers of interactions. A partition holds the users of
    one set, all items that share an edge with them, and their negative items. An epoch has the
    same triplets as without partitions, ordered by partition.

    With :math:`B` batches per step, a step has one batch from each of :math:`B` partitions. Those
    of user :math:`u` lie in lane :math:`u \bmod B`, which draws numbers of its own. Lanes are
    dealt to the processes that train together, which hold the interactions of their own lanes
    alone. A batch of the whole data is split over them.

    Args:
        data (HeteroData): The data with its training interactions.
        batch_size (int): The largest number of triplets per batch. (default: :obj:`2048`)
        seed (int): The seed. (default: :obj:`0`)
        num_partitions (int): The number of partitions. (default: :obj:`1`)
        device (torch.device, optional): The device of the partitions.
            (default: the device of the data)
        batches_per_step (int, optional): The number of batches per step of the optimizer.
            (default: :obj:`1`)
        rank (int, optional): The rank of this process. (default: :obj:`0`)
        num_ranks (int, optional): The number of processes. (default: :obj:`1`)

    Raises:
        ValueError: If an argument is out of range, or the data does not suit
            :class:`~soil_pyg.training.TripletLoader`.

    Example:
        >>> data = HeteroData({"user": {"num_nodes": 2}, "item": {"num_nodes": 3}})
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [0, 2]])
        >>> loader = PartitionLoader(data, num_partitions=2)
        >>> [partition["user"].n_id for partition, batch in loader]
        [tensor([1]), tensor([0])]
    """

    def __init__(
        self,
        data: HeteroData,
        batch_size: int = 2048,
        seed: int = 0,
        num_partitions: int = 1,
        device: torch.device | None = None,
        batches_per_step: int = 1,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        check_num_partitions(num_partitions, data)
        is_whole = num_partitions == 1
        num_lanes = 1 if is_whole else batches_per_step
        most = 2**63 - 1 if is_whole else num_partitions
        check_integer("batches_per_step", batches_per_step, 1, most)
        self.num_partitions = num_partitions
        self._batches_per_step = batches_per_step
        self._rank, self._num_ranks = rank, num_ranks
        self._data, self._batch_size = data, batch_size
        self._device = device
        lanes = range(num_lanes) if is_whole else range(rank, num_lanes, num_ranks)
        self._lanes = {
            lane: TripletLoader(data, batch_size, seed, lane, num_lanes) for lane in lanes
        }
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration, at least 0; every iteration advances it by one."""
        for triplets in self._lanes.values():
            triplets.set_epoch(epoch)
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(self.lane_lengths())

    def lane_lengths(self) -> list[int]:
        """Returns the number of batches in the next iteration of each lane of this process."""
        lengths = []
        for lane, triplets in self._lanes.items():
            sizes = np.bincount(self._partition_of_user(lane), triplets.degree).astype(np.int64)
            lengths.append(int((-(-sizes // self._batch_size)).sum()))
        return lengths

    def steps(self, lengths: Sequence[Sequence[int]] | None = None) -> list[Step]:
        """Returns the steps of the next iteration.

        Args:
            lengths (list[list[int]], optional): The results of :meth:`lane_lengths` on all
                processes. (default: that of this process alone)

        Raises:
            ValueError: If no lane has a triplet.
        """
        own = self.lane_lengths()
        if self.num_partitions == 1:
            size, ranks = self._batches_per_step, self._num_ranks
            return [Step(count, count * ranks) for count in group_sizes(own[0], size)]
        every = list(chain.from_iterable([own] if lengths is None else lengths))
        if not any(every):
            raise ValueError(
                "'data' must hold a user who has not interacted with every training item (got none)"
            )
        return [
            Step(sum(size > step for size in own), sum(size > step for size in every))
            for step in range(max(every))
        ]

    def __iter__(self) -> Iterator[tuple[HeteroData, Triplets]]:
        self.set_epoch(self._epoch)
        if self.num_partitions == 1:
            self._epoch += 1
            for batch in self._lanes[0]:
                own = (x.tensor_split(self._num_ranks)[self._rank] for x in batch)
                yield self._data, Triplets(*own)
            return
        sampler = SubgraphSampler(self._data)
        # All lanes are drawn before the first batch.
        lanes = [self._draw(lane, sampler) for lane in self._lanes]
        self._epoch += 1
        for found in chain.from_iterable(zip_longest(*lanes)):
            if found is not None:
                yield found

    def _draw(self, lane: int, sampler: SubgraphSampler) -> Iterator[tuple[HeteroData, Triplets]]:
        triplets = self._lanes[lane]
        of_user = self._partition_of_user(lane)
        order, negative = triplets.draw()
        user = triplets.user.numpy(force=True)
        partition = of_user[user // self._batches_per_step][order.numpy(force=True)]
        sizes = np.bincount(partition).tolist()
        parts = torch.split(torch.from_numpy(np.argsort(partition, kind="stable")), sizes)

        def batches() -> Iterator[tuple[HeteroData, Triplets]]:
            for index in parts:
                if index.numel() > 0:
                    chosen = order[index.to(order.device)]
                    selected = triplets.select(chosen, negative)
                    yield from self._batches(sampler, chosen, selected, lane)

        return batches()

    def _partition_of_user(self, lane: int) -> np.ndarray:
        """Returns the partition of each user of a lane, among those of the lane."""
        triplets = self._lanes[lane]
        rng = np.random.default_rng([triplets.seed, self._epoch, STREAM, lane])
        order = rng.permutation(len(triplets.degree))
        degree = triplets.degree[order]
        before = degree.cumsum() - degree
        size = len(range(lane, self.num_partitions, self._batches_per_step))
        partition = np.empty(len(order), dtype=np.int32)
        partition[order] = np.minimum(before * size // max(1, degree.sum()), size - 1)
        return partition

    def _batches(
        self, sampler: SubgraphSampler, index: Tensor, triplets: Triplets, lane: int
    ) -> Iterator[tuple[HeteroData, Triplets]]:
        users = torch.unique(triplets.user)
        neighbours = sampler.neighbours(USER, users, ITEM)
        items = torch.unique(torch.cat([triplets.positive, triplets.negative, neighbours]))
        partition = sampler.sample({USER: users, ITEM: items})
        partition.lane = lane
        item = positions(items, count_nodes(self._data, ITEM))
        user = torch.searchsorted(users, triplets.user)
        local = [user, item[triplets.positive], item[triplets.negative]]
        # Triplets in ascending order are the interactions of their users.
        partition[INTERACTS].edge_index = torch.stack(local[:2])[:, index.argsort()]
        if self._device is not None and self._device != users.device:
            partition, local = partition.to(self._device), [x.to(self._device) for x in local]
        num_batches = -(-len(user) // self._batch_size)
        for batch in zip(*(x.tensor_split(num_batches) for x in local), strict=True):
            yield partition, Triplets(*batch)

    def __repr__(self) -> str:
        lanes = ", ".join(map(str, self._lanes.values()))
        return f"{self.__class__.__name__}({lanes}, num_partitions={self.num_partitions})"


def group_sizes(num_batches: int, size: int) -> list[int]:
    """Returns the sizes of groups of at most :obj:`size` batches, as even as possible, as a step on
    few batches is noisier than the others.

    Example:
        >>> group_sizes(10, 4)
        [3, 3, 4]
    """
    num_groups = -(-num_batches // size)
    ends = [num_batches * group // num_groups for group in range(num_groups + 1)]
    return [end - begin for begin, end in pairwise(ends)]


def check_num_partitions(num_partitions: int, data: HeteroData) -> None:
    """Raises :class:`ValueError` unless every partition can have a user."""
    check_integer("num_partitions", num_partitions, 1)
    num_users = count_nodes(data, USER)
    if num_partitions > num_users:
        raise ValueError(
            f"'num_partitions' must be at most the number of users, {num_users} "
            f"(got {num_partitions})"
        )
