from collections.abc import Iterator

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.training.subgraph_sampler import SubgraphSampler, positions
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import ITEM, USER, Triplets
from soil_pyg.utils.checks import check_at_least

PARTS = 1
"""Tells the random numbers of the parts from those of the triples."""


class PartitionLoader:
    r"""The batches of a :class:`TripletLoader`, each with the data to train on: all of it, or the
    part of it that the batch belongs to.

    With several parts the users are split anew every epoch, at random and with about as many
    interactions in each part, by :obj:`(seed, epoch)` alone. A part holds its users, all items
    they have an edge with, and the negative items of its triples. The triples of an epoch stay
    those of :class:`~soil_pyg.training.triplet_loader.TripletLoader`; they come part by part.

    Args:
        data (HeteroData): The data with its training interactions.
        batch_size (int): The largest number of triples in a batch. (default: :obj:`2048`)
        seed (int): The seed. (default: :obj:`0`)
        num_partitions (int): The number of parts. (default: :obj:`1`)
        device (torch.device, optional): Where the parts are put. (default: that of the data)

    Raises:
        ValueError: If an argument is out of range, or :class:`TripletLoader` refuses the data.

    Example:
        >>> data = HeteroData({"user": {"num_nodes": 2}, "item": {"num_nodes": 3}})
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [0, 2]])
        >>> [part["user"].n_id for part, batch in PartitionLoader(data, num_partitions=2)]
        [tensor([1]), tensor([0])]
    """

    def __init__(
        self,
        data: HeteroData,
        batch_size: int = 2048,
        seed: int = 0,
        num_partitions: int = 1,
        device: torch.device | None = None,
    ) -> None:
        check_num_partitions(num_partitions, data)
        self.num_partitions = num_partitions
        self._data = data
        self._device = device
        self._triples = TripletLoader(data, batch_size, seed)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch that the next iteration yields; each iteration moves on to the next one.

        Args:
            epoch (int): The epoch, at least 0.
        """
        self._triples.set_epoch(epoch)
        self._epoch = epoch

    def __len__(self) -> int:
        sizes = np.bincount(self._part_of_user(), self._triples.degree).astype(np.int64)
        return int((-(-sizes // self._triples.batch_size)).sum())

    def __iter__(self) -> Iterator[tuple[HeteroData, Triplets]]:
        self._triples.set_epoch(self._epoch)
        part_of_user = torch.from_numpy(self._part_of_user())
        self._epoch += 1
        if self.num_partitions == 1:
            yield from ((self._data, batch) for batch in self._triples)
            return
        triples = Triplets(*(torch.cat(x) for x in zip(*self._triples, strict=True)))
        part = part_of_user.to(triples.user.device)[triples.user]
        sizes = part.bincount().tolist()
        sampler = SubgraphSampler(self._data)
        for index in part.argsort(stable=True).split(sizes):
            if index.numel() > 0:
                yield from self._batches(sampler, Triplets(*(x[index] for x in triples)))

    def _part_of_user(self) -> np.ndarray:
        rng = np.random.default_rng([self._triples.seed, self._epoch, PARTS])
        order = rng.permutation(len(self._triples.degree))
        degree = self._triples.degree[order]
        before = degree.cumsum() - degree
        part = np.empty(len(order), dtype=np.int64)
        part[order] = np.minimum(
            before * self.num_partitions // degree.sum(), self.num_partitions - 1
        )
        return part

    def _batches(
        self, sampler: SubgraphSampler, triples: Triplets
    ) -> Iterator[tuple[HeteroData, Triplets]]:
        users = triples.user.unique()
        neighbours = sampler.neighbours(USER, users, ITEM)
        items = torch.cat([triples.positive, triples.negative, neighbours]).unique()
        part = sampler.sample({USER: users, ITEM: items})
        user, item = (
            positions(part[kind].n_id, self._data[kind].num_nodes) for kind in (USER, ITEM)
        )
        local = [user[triples.user], item[triples.positive], item[triples.negative]]
        if self._device is not None and self._device != users.device:
            part, local = part.to(self._device), [x.to(self._device) for x in local]
        num_batches = -(-local[0].numel() // self._triples.batch_size)
        for batch in zip(*(x.tensor_split(num_batches) for x in local), strict=True):
            yield part, Triplets(*batch)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self._triples}, num_partitions={self.num_partitions})"


def check_num_partitions(num_partitions: int, data: HeteroData) -> None:
    """Raises :class:`ValueError` if the users of the data cannot be split in so many parts.

    Args:
        num_partitions (int): The number of parts.
        data (HeteroData): The data.
    """
    check_at_least("num_partitions", num_partitions, 1)
    if num_partitions > data[USER].num_nodes:
        raise ValueError(
            f"'num_partitions' must be at most the number of users, {data[USER].num_nodes} "
            f"(got {num_partitions})"
        )
