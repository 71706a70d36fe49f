from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import LightGCN
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets


@pytest.fixture
def data(data: HeteroData) -> HeteroData:
    return LightGCN.graph_transform()(data)


def epoch_of(loader: PartitionLoader) -> list[tuple[HeteroData, Triplets]]:
    """Returns the batches of an epoch with the node indices of the whole data."""
    batches = []
    for partition, batch in loader:
        user, item = partition[USER].n_id, partition[ITEM].n_id
        batches.append((partition, Triplets(user[batch[0]], item[batch[1]], item[batch[2]])))
    return batches


def sorted_triplets(batches: list[Triplets]) -> list[list[int]]:
    return sorted(torch.stack([torch.cat(x) for x in zip(*batches, strict=True)], 1).tolist())


@pytest.mark.parametrize("num_partitions", [2, 4, 30])
@pytest.mark.parametrize("epoch", [0, 3])
def test_triplets_of_an_epoch_are_those_of_the_loader(
    data: HeteroData, num_partitions: int, epoch: int
) -> None:
    triplets, loader = TripletLoader(data, 16, seed=5), PartitionLoader(data, 16, 5, num_partitions)
    triplets.set_epoch(epoch)
    loader.set_epoch(epoch)
    batches = [batch for _, batch in epoch_of(loader)]
    assert sorted_triplets(batches) == sorted_triplets(list(triplets))
    loader.set_epoch(epoch)
    assert len(loader) == len(batches)
    assert max(batch.user.numel() for batch in batches) <= 16


def test_partitions_share_no_user_and_hold_the_items_of_their_users(data: HeteroData) -> None:
    partitions: dict[int, HeteroData] = {}
    batches: dict[int, list[Triplets]] = {}
    for partition, batch in epoch_of(PartitionLoader(data, 8, 0, num_partitions=3)):
        partitions[id(partition)] = partition
        batches.setdefault(id(partition), []).append(batch)
    assert len(partitions) == 3
    users = torch.cat([partition[USER].n_id for partition in partitions.values()])
    assert users.sort().values.tolist() == list(range(30))
    row, col = data[INTERACTS].edge_index
    for key, partition in partitions.items():
        user, positive, negative = (torch.cat(x) for x in zip(*batches[key], strict=True))
        users, items = partition[USER].n_id, partition[ITEM].n_id.tolist()
        assert set(user.tolist()) == set(users.tolist())
        kept = torch.isin(row, users)
        assert set(positive.tolist()) == set(col[kept].tolist())
        assert items == sorted(set(positive.tolist()) | set(negative.tolist()))
        assert partition[INTERACTS].edge_index.size(1) == int(kept.sum()) == user.numel()
        assert partition[INTERACTS].adjacency.size == (len(items), len(users))


def test_items_that_share_an_edge_with_the_users_are_kept(data: HeteroData) -> None:
    second: Any = data[USER, "second_order", ITEM]
    second.adjacency = LightGCN.graph_transform()(data)[INTERACTS].adjacency.select_rows(
        torch.arange(40).roll(1)
    )
    linked = second.adjacency.to_dense() > 0
    for partition, _ in PartitionLoader(data, 8, 0, num_partitions=5):
        items = linked[:, partition[USER].n_id].any(dim=1).nonzero().view(-1)
        assert torch.isin(items, partition[ITEM].n_id).all()


def test_partitions_have_about_equal_numbers_of_interactions(data: HeteroData) -> None:
    largest = int(data[INTERACTS].edge_index[0].bincount().max())
    total = data[INTERACTS].edge_index.size(1)
    loader = PartitionLoader(data, 10**6, 0, num_partitions=4)
    for _ in range(5):
        sizes = [batch.user.numel() for _, batch in loader]
        assert sum(sizes) == total
        assert max(sizes) - min(sizes) <= 2 * largest


def test_batches_of_a_partition_have_equal_sizes(data: HeteroData) -> None:
    sizes: dict[int, list[int]] = {}
    for partition, batch in epoch_of(PartitionLoader(data, 16, 0, num_partitions=3)):
        sizes.setdefault(id(partition), []).append(batch.user.numel())
    assert all(len(s) > 1 and max(s) - min(s) <= 1 for s in sizes.values())


def test_seed_and_epoch_determine_the_partitions(data: HeteroData) -> None:
    def users(seed: int, epoch: int) -> list[list[int]]:
        loader = PartitionLoader(data, 32, seed, 3)
        loader.set_epoch(epoch)
        return [partition[USER].n_id.tolist() for partition, _ in loader]

    torch.rand(3)
    assert users(1, 2) == users(1, 2)
    assert users(1, 2) != users(1, 3)
    assert users(1, 2) != users(2, 2)
    loader = PartitionLoader(data, 32, 1, 3)
    epochs = [[partition[USER].n_id.tolist() for partition, _ in loader] for _ in range(3)]
    assert epochs == [users(1, epoch) for epoch in range(3)]


def test_one_partition_is_the_whole_data(data: HeteroData) -> None:
    batches = list(PartitionLoader(data, 16, 3))
    expected = list(TripletLoader(data, 16, 3))
    assert len(batches) == len(expected) == len(PartitionLoader(data, 16, 3))
    for (partition, batch), triplets in zip(batches, expected, strict=True):
        assert partition is data
        assert all(torch.equal(a, b) for a, b in zip(batch, triplets, strict=True))


def test_a_user_with_most_interactions() -> None:
    small = HeteroData({USER: {"num_nodes": 3}, ITEM: {"num_nodes": 40}})
    pairs = [*((0, item) for item in range(30)), (1, 1), (1, 35)]
    small[INTERACTS].edge_index = torch.tensor(pairs).t()
    loader = PartitionLoader(small, 8, 0, num_partitions=3)
    for epoch in range(4):
        loader.set_epoch(epoch)
        size = len(loader)
        batches = epoch_of(loader)
        assert len(batches) == size
        assert sum(batch.user.numel() for _, batch in batches) == 32


def test_repr(data: HeteroData) -> None:
    size = data[INTERACTS].edge_index.size(1)
    expected = f"PartitionLoader(TripletLoader({size}, batch_size=8), num_partitions=2)"
    assert str(PartitionLoader(data, 8, 0, 2)) == expected


@pytest.mark.parametrize("num_partitions", [0, 31])
def test_wrong_numbers_of_partitions(
    data: HeteroData,
    refused: Callable[[str, object], AbstractContextManager[object]],
    num_partitions: int,
) -> None:
    with refused("num_partitions", num_partitions):
        PartitionLoader(data, num_partitions=num_partitions)


@pytest.mark.parametrize(("batches_per_step", "num_ranks"), [(1, 1), (3, 1), (2, 2), (6, 3)])
def test_a_step_has_a_batch_of_each_of_several_partitions(
    data: HeteroData, batches_per_step: int, num_ranks: int
) -> None:
    partitions: list[list[Triplets]] = []
    last = None
    for partition, batch in epoch_of(PartitionLoader(data, 8, 3, num_partitions=7)):
        if partition is not last:
            partitions.append([])
        last = partition
        partitions[-1].append(batch)
    starts = range(batches_per_step)
    lanes = [list(chain.from_iterable(partitions[start::batches_per_step])) for start in starts]
    for rank in range(num_ranks):
        loader = PartitionLoader(data, 8, 3, 7, None, batches_per_step, rank, num_ranks)
        steps = loader.steps()
        assert (len(loader), len(steps)) == (sum(s.own for s in steps), max(map(len, lanes)))
        batches = iter(epoch_of(loader))
        for number, step in enumerate(steps):
            expected = [lane[number] for lane in lanes[rank::num_ranks] if number < len(lane)]
            found = [batch for _, batch in islice(batches, step.own)]
            for ours, theirs in zip(found, expected, strict=True):
                assert all(map(torch.equal, ours, theirs))
            assert step.total == sum(number < len(lane) for lane in lanes)
        assert next(batches, None) is None


def test_a_batch_of_the_whole_data_is_split_over_processes(data: HeteroData) -> None:
    whole = list(TripletLoader(data, 16, 5))
    loaders = [PartitionLoader(data, 16, 5, 1, None, 2, rank, 3) for rank in range(3)]
    steps = loaders[0].steps()
    for expected, part in zip(whole, zip(*loaders, strict=True), strict=True):
        rows = [torch.cat(x) for x in zip(*(batch for _, batch in part), strict=True)]
        assert all(map(torch.equal, rows, expected))
    assert sum(step.own for step in steps) == len(whole)
    assert {(step.own, step.total) for step in steps} <= {(1, 3), (2, 6)}
