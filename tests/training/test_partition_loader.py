from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import LightGCN
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

RandomData = Callable[..., HeteroData]


@pytest.fixture
def data(random_data: RandomData) -> HeteroData:
    return LightGCN.graph_transform()(random_data())


def epoch_of(loader: PartitionLoader) -> list[tuple[HeteroData, Triplets]]:
    """The batches of an epoch with the numbers of the whole data."""
    batches = []
    for part, batch in loader:
        user, item = part[USER].n_id, part[ITEM].n_id
        batches.append((part, Triplets(user[batch[0]], item[batch[1]], item[batch[2]])))
    return batches


def sorted_triples(batches: list[Triplets]) -> list[list[int]]:
    return sorted(torch.stack([torch.cat(x) for x in zip(*batches, strict=True)], 1).tolist())


@pytest.mark.parametrize("num_partitions", [2, 4, 30])
@pytest.mark.parametrize("epoch", [0, 3])
def test_triples_of_an_epoch_are_those_of_the_loader(
    data: HeteroData, num_partitions: int, epoch: int
) -> None:
    triples, loader = TripletLoader(data, 16, seed=5), PartitionLoader(data, 16, 5, num_partitions)
    triples.set_epoch(epoch)
    loader.set_epoch(epoch)
    batches = [batch for _, batch in epoch_of(loader)]
    assert sorted_triples(batches) == sorted_triples(list(triples))
    loader.set_epoch(epoch)
    assert len(loader) == len(batches)
    assert max(batch.user.numel() for batch in batches) <= 16


def test_parts_share_no_user_and_hold_what_they_need(data: HeteroData) -> None:
    parts: dict[int, HeteroData] = {}
    batches: dict[int, list[Triplets]] = {}
    for part, batch in epoch_of(PartitionLoader(data, 8, 0, num_partitions=3)):
        parts[id(part)] = part
        batches.setdefault(id(part), []).append(batch)
    assert len(parts) == 3
    users = torch.cat([part[USER].n_id for part in parts.values()])
    assert users.sort().values.tolist() == list(range(30))
    row, col = data[INTERACTS].edge_index
    for key, part in parts.items():
        user, positive, negative = (torch.cat(x) for x in zip(*batches[key], strict=True))
        assert set(user.tolist()) == set(part[USER].n_id.tolist())
        theirs = torch.isin(row, part[USER].n_id)
        assert set(positive.tolist()) == set(col[theirs].tolist())
        assert set(part[ITEM].n_id.tolist()) == set(positive.tolist()) | set(negative.tolist())
        assert part[ITEM].n_id.tolist() == sorted(part[ITEM].n_id.tolist())
        assert part[INTERACTS].edge_index.size(1) == int(theirs.sum()) == user.numel()
        assert part[INTERACTS].adj.size == (part[ITEM].num_nodes, part[USER].num_nodes)


def test_items_that_users_have_an_edge_with_are_there(data: HeteroData) -> None:
    second: Any = data[USER, "second_order", ITEM]
    second.adj = LightGCN.graph_transform()(data)[INTERACTS].adj.select_rows(
        torch.arange(40).roll(1)
    )
    linked = second.adj.to_dense() > 0
    for part, _ in PartitionLoader(data, 8, 0, num_partitions=5):
        items = linked[:, part[USER].n_id].any(dim=1).nonzero().view(-1)
        assert torch.isin(items, part[ITEM].n_id).all()


def test_parts_have_about_equal_numbers_of_interactions(data: HeteroData) -> None:
    largest = int(data[INTERACTS].edge_index[0].bincount().max())
    total = data[INTERACTS].edge_index.size(1)
    loader = PartitionLoader(data, 10**6, 0, num_partitions=4)
    for _ in range(5):
        sizes = [batch.user.numel() for _, batch in loader]
        assert sum(sizes) == total
        assert max(sizes) - min(sizes) <= 2 * largest


def test_batches_of_a_part_have_equal_sizes(data: HeteroData) -> None:
    sizes: dict[int, list[int]] = {}
    for part, batch in epoch_of(PartitionLoader(data, 16, 0, num_partitions=3)):
        sizes.setdefault(id(part), []).append(batch.user.numel())
    assert all(len(s) > 1 and max(s) - min(s) <= 1 for s in sizes.values())


def test_seed_and_epoch_tell_the_parts(data: HeteroData) -> None:
    def users(seed: int, epoch: int) -> list[list[int]]:
        loader = PartitionLoader(data, 32, seed, 3)
        loader.set_epoch(epoch)
        return [part[USER].n_id.tolist() for part, _ in loader]

    torch.rand(3)
    assert users(1, 2) == users(1, 2)
    assert users(1, 2) != users(1, 3)
    assert users(1, 2) != users(2, 2)
    loader = PartitionLoader(data, 32, 1, 3)
    epochs = [[part[USER].n_id.tolist() for part, _ in loader] for _ in range(3)]
    assert epochs == [users(1, epoch) for epoch in range(3)]


def test_one_part_is_all_of_the_data(data: HeteroData) -> None:
    batches = list(PartitionLoader(data, 16, 3))
    expected = list(TripletLoader(data, 16, 3))
    assert len(batches) == len(expected) == len(PartitionLoader(data, 16, 3))
    for (part, batch), triples in zip(batches, expected, strict=True):
        assert part is data
        assert all(torch.equal(a, b) for a, b in zip(batch, triples, strict=True))


def test_users_with_more_than_a_part(data: HeteroData) -> None:
    edges = torch.cat([torch.stack([torch.zeros(30), torch.arange(30)]), torch.ones(2, 1)], 1)
    small = HeteroData({USER: {"num_nodes": 3}, ITEM: {"num_nodes": 40}})
    small[INTERACTS].edge_index = torch.cat([edges, torch.tensor([[1], [35]])], 1).long()
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


@pytest.mark.parametrize(
    ("num_partitions", "message"),
    [
        (0, r"'num_partitions' must be at least 1 \(got 0\)"),
        (31, r"'num_partitions' must be at most the number of users, 30 \(got 31\)"),
    ],
)
def test_wrong_numbers_of_parts(data: HeteroData, num_partitions: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PartitionLoader(data, num_partitions=num_partitions)
