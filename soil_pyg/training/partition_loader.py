from collections.abc import Iterator
from itertools import chain, pairwise, zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.training.subgraph_sampler import SubgraphSampler, positions
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import ITEM, USER, Triplets
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

    With several batches per step, a step has one batch from each of as many partitions. They are
    dealt to the processes that train together, while a batch of the whole data is split over them.

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
        self.num_partitions = num_partitions
        self._batches_per_step = batches_per_step
        self._rank, self._num_ranks = rank, num_ranks
        self._data = data
        self._device = device
        self._triplets = TripletLoader(data, batch_size, seed)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration, at least 0; every iteration advances it by one."""
        self._triplets.set_epoch(epoch)
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(step.own for step in self.steps())

    def steps(self) -> list[Step]:
        """Returns the steps of the next iteration."""
        sizes = np.bincount(self._partition_of_user(), self._triplets.degree).astype(np.int64)
        num_batches = -(-sizes // self._triplets.batch_size)
        if self.num_partitions == 1:
            size, ranks = self._batches_per_step, self._num_ranks
            return [Step(own, own * ranks) for own in group_sizes(int(num_batches.sum()), size)]
        lanes = [num_batches[lane :: self._batches_per_step].sum() for lane in self._lanes()]
        own = lanes[self._rank :: self._num_ranks]
        return [
            Step(sum(size > step for size in own), sum(size > step for size in lanes))
            for step in range(max(lanes))
        ]

    def _lanes(self) -> range:
        return range(self._batches_per_step)

    def __iter__(self) -> Iterator[tuple[HeteroData, Triplets]]:
        self._triplets.set_epoch(self._epoch)
        of_user = self._partition_of_user()
        self._epoch += 1
        if self.num_partitions == 1:
            for batch in self._triplets:
                own = (x.tensor_split(self._num_ranks)[self._rank] for x in batch)
                yield self._data, Triplets(*own)
            return
        order, negative = self._triplets.draw()
        partition = of_user[self._triplets.user.numpy(force=True)][order.numpy(force=True)]
        sizes = np.bincount(partition).tolist()
        sampler = SubgraphSampler(self._data)
        by_partition = torch.from_numpy(np.argsort(partition, kind="stable"))
        del partition
        parts = torch.split(by_partition, sizes)

        def batches(lane: int) -> Iterator[tuple[HeteroData, Triplets]]:
            for index in parts[lane :: self._batches_per_step]:
                if index.numel() > 0:
                    triplets = self._triplets.select(order[index.to(order.device)], negative)
                    yield from self._batches(sampler, triplets)

        lanes = self._lanes()[self._rank :: self._num_ranks]
        for found in chain.from_iterable(zip_longest(*map(batches, lanes))):
            if found is not None:
                yield found

    def _partition_of_user(self) -> np.ndarray:
        rng = np.random.default_rng([self._triplets.seed, self._epoch, STREAM])
        order = rng.permutation(len(self._triplets.degree))
        degree = self._triplets.degree[order]
        before = degree.cumsum() - degree
        partition = np.empty(len(order), dtype=np.int32)
        partition[order] = np.minimum(
            before * self.num_partitions // degree.sum(), self.num_partitions - 1
        )
        return partition

    def _batches(
        self, sampler: SubgraphSampler, triplets: Triplets
    ) -> Iterator[tuple[HeteroData, Triplets]]:
        users = torch.unique(triplets.user)
        neighbours = sampler.neighbours(USER, users, ITEM)
        items = torch.unique(torch.cat([triplets.positive, triplets.negative, neighbours]))
        partition = sampler.sample({USER: users, ITEM: items})
        user, item = (
            positions(partition[kind].n_id, count_nodes(self._data, kind)) for kind in (USER, ITEM)
        )
        local = [user[triplets.user], item[triplets.positive], item[triplets.negative]]
        if self._device is not None and self._device != users.device:
            partition, local = partition.to(self._device), [x.to(self._device) for x in local]
        num_batches = -(-local[0].numel() // self._triplets.batch_size)
        for batch in zip(*(x.tensor_split(num_batches) for x in local), strict=True):
            yield partition, Triplets(*batch)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self._triplets}, num_partitions={self.num_partitions})"


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
