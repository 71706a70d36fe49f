from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import islice
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


@pytest.mark.parametrize("batches_per_step", [0, 4])
def test_wrong_numbers_of_batches_per_step(
    data: HeteroData,
    refused: Callable[[str, object], AbstractContextManager[object]],
    batches_per_step: int,
) -> None:
    with refused("batches_per_step", batches_per_step):
        PartitionLoader(data, num_partitions=3, batches_per_step=batches_per_step)


@pytest.mark.parametrize(("batches_per_step", "num_ranks"), [(1, 1), (3, 1), (2, 2), (6, 3)])
def test_a_step_has_a_batch_of_each_lane(
    data: HeteroData, batches_per_step: int, num_ranks: int
) -> None:
    alone = PartitionLoader(data, 8, 3, 7, None, batches_per_step)
    lengths, batches = alone.lane_lengths(), iter(epoch_of(alone))
    expected: list[list[Triplets | None]] = []
    for step in range(max(lengths)):
        expected.append([next(batches)[1] if step < size else None for size in lengths])
    for row in expected:
        for lane, batch in enumerate(row):
            assert batch is None or set((batch.user % batches_per_step).tolist()) == {lane}
    places = [(8, 3, 7, None, batches_per_step, rank, num_ranks) for rank in range(num_ranks)]
    loaders = [PartitionLoader(data, *place) for place in places]
    every = [loader.lane_lengths() for loader in loaders]
    assert [list(lane) for lane in every] == [lengths[r::num_ranks] for r in range(num_ranks)]
    for rank, loader in enumerate(loaders):
        steps = loader.steps(every)
        assert (len(loader), len(steps)) == (sum(step.own for step in steps), len(expected))
        found = iter(epoch_of(loader))
        for step, row in zip(steps, expected, strict=True):
            own = [batch for batch in row[rank::num_ranks] if batch is not None]
            ours = [batch for _, batch in islice(found, step.own)]
            assert step.total == sum(batch is not None for batch in row)
            for left, right in zip(ours, own, strict=True):
                assert all(map(torch.equal, left, right))
        assert next(found, None) is None


@pytest.mark.parametrize("batches_per_step", [1, 2, 3, 5])
def test_lanes_share_the_triplets_of_an_epoch(data: HeteroData, batches_per_step: int) -> None:
    loader = PartitionLoader(data, 8, 3, 5, None, batches_per_step)
    every = data[INTERACTS].edge_index.t().tolist()
    for _ in range(2):
        triplets = sorted_triplets([batch for _, batch in epoch_of(loader)])
        assert [[user, item] for user, item, _ in triplets] == sorted(every)
        assert all([user, negative] not in every for user, _, negative in triplets)


def test_partitions_hold_the_interactions_of_their_users(data: HeteroData) -> None:
    every = data[INTERACTS].edge_index.t().tolist()
    shuffled = data.clone()
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(0))
    shuffled[INTERACTS].edge_index = data[INTERACTS].edge_index[:, order]
    shuffled = LightGCN.graph_transform()(shuffled)
    for partition, _ in PartitionLoader(shuffled, 64, 0, 6, None, 2):
        user, item = partition[INTERACTS].edge_index
        users = partition[USER].n_id
        pairs = torch.stack([users[user], partition[ITEM].n_id[item]]).t().tolist()
        assert pairs == sorted(pair for pair in every if pair[0] in users)


def test_a_process_holds_the_triplets_of_its_lanes_alone(data: HeteroData) -> None:
    loader = PartitionLoader(data, 8, 0, 6, None, 4, rank=1, num_ranks=2)
    degree = data[INTERACTS].edge_index[0].bincount(minlength=30)
    sizes = [int(degree[lane::4].sum()) for lane in (1, 3)]
    assert str(loader).count("TripletLoader") == 2
    assert all(f"TripletLoader({size}, " in str(loader) for size in sizes)


def test_a_lane_may_be_empty_but_not_all() -> None:
    small = HeteroData({USER: {"num_nodes": 4}, ITEM: {"num_nodes": 3}})
    small[INTERACTS].edge_index = torch.tensor([[0, 0, 0, 2], [0, 1, 2, 1]])
    loader = PartitionLoader(small, 8, 0, 2, None, 2)
    assert loader.lane_lengths() == [1, 0]
    assert loader.steps() == [(1, 1)]
    ((_, batch),) = epoch_of(loader)
    assert (batch.user.tolist(), batch.positive.tolist()) == ([2], [1])
    small[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    with pytest.raises(ValueError, match=r"'data'.*\(got none\)"):
        PartitionLoader(small, 8, 0, 2, None, 2).steps()


def test_a_batch_of_the_whole_data_is_split_over_processes(data: HeteroData) -> None:
    whole = list(TripletLoader(data, 16, 5))
    loaders = [PartitionLoader(data, 16, 5, 1, None, 2, rank, 3) for rank in range(3)]
    steps = loaders[0].steps()
    for expected, part in zip(whole, zip(*loaders, strict=True), strict=True):
        rows = [torch.cat(x) for x in zip(*(batch for _, batch in part), strict=True)]
        assert all(map(torch.equal, rows, expected))
    assert sum(step.own for step in steps) == len(whole)
    assert {(step.own, step.total) for step in steps} <= {(1, 3), (2, 6)}
