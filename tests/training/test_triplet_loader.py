import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, ITEM, USER

Refused = Callable[[str, object], AbstractContextManager[object]]
Pairs = list[tuple[int, int]]


def data_of(pairs: Pairs, num_users: int, num_items: int) -> HeteroData:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
    data[INTERACTS].edge_index = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
    return data


def epoch(loader: TripletLoader) -> Tensor:
    return torch.cat([torch.stack(batch) for batch in loader], dim=1)


@st.composite
def interactions(draw: st.DrawFn) -> tuple[Pairs, int, int]:
    num_users, num_items = draw(st.integers(1, 5)), draw(st.integers(2, 7))
    pair = st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1))
    pairs = draw(st.lists(pair, min_size=1, unique=True))
    return pairs, num_users, num_items


@given(interactions(), st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_against_the_definition(
    case: tuple[Pairs, int, int], batch_size: int, seed: int
) -> None:
    pairs, num_users, num_items = case
    seen = {item for _, item in pairs}
    items = [{item for user, item in pairs if user == u} for u in range(num_users)]
    data = data_of(pairs, num_users, num_items)
    if all(own in (seen, set()) for own in items):
        with pytest.raises(ValueError, match=r"'data'.*no negative"):
            TripletLoader(data)
        return

    pairs = [(user, item) for user, item in pairs if items[user] != seen]
    loader = TripletLoader(data, batch_size, seed)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert all(len(batch.user) == batch_size for batch in batches[:-1])
    triplets = [t for batch in batches for t in zip(*(x.tolist() for x in batch), strict=True)]
    assert sorted((user, positive) for user, positive, _ in triplets) == sorted(pairs)
    assert all(negative in seen - items[user] for user, _, negative in triplets)


def test_negatives_are_uniform() -> None:
    pairs = [(0, 1), (0, 4), (1, 0), (1, 1), (1, 5), (2, 2), (2, 7)]
    loader = TripletLoader(data_of(pairs, num_users=3, num_items=9))
    triplets = torch.cat([epoch(loader) for _ in range(6000)], dim=1)
    for user, expected in {0: [0, 2, 5, 7], 1: [2, 4, 7], 2: [0, 1, 4, 5]}.items():
        count = torch.bincount(triplets[2, triplets[0] == user], minlength=9)
        assert count.nonzero().view(-1).tolist() == expected
        mean = count.sum() / len(expected)
        # Twenty times the expectation of the statistic, which has at most 3 degrees of freedom.
        assert ((count[expected] - mean) ** 2 / mean).sum() < 60


def test_an_epoch_follows_from_seed_and_number(data: HeteroData) -> None:
    loader = TripletLoader(data, batch_size=7, seed=3)
    epochs = [epoch(loader) for _ in range(3)]
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])

    resumed = TripletLoader(data, batch_size=7, seed=3)
    resumed.set_epoch(1)
    assert torch.equal(epoch(resumed), epochs[1])
    assert torch.equal(epoch(resumed), epochs[2])
    assert not torch.equal(epoch(TripletLoader(data, batch_size=7, seed=4)), epochs[0])


def test_an_epoch_does_not_depend_on_batches_or_the_global_generator(data: HeteroData) -> None:
    torch.manual_seed(0)
    small = epoch(TripletLoader(data, batch_size=1))
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(small, epoch(TripletLoader(data, batch_size=1000)))
    torch.manual_seed(0)
    assert torch.equal(state, torch.get_rng_state())


def test_an_abandoned_epoch_counts(data: HeteroData) -> None:
    loader = TripletLoader(data, batch_size=5)
    list(islice(loader, 2))
    second = epoch(loader)
    loader.set_epoch(1)
    assert torch.equal(epoch(loader), second)


def test_order_and_duplicates_of_the_interactions_do_not_matter(data: HeteroData) -> None:
    expected = epoch(TripletLoader(data))
    edge_index = data[INTERACTS].edge_index
    data[INTERACTS].edge_index = torch.cat([edge_index.flip(1), edge_index], dim=1)
    assert torch.equal(epoch(TripletLoader(data)), expected)


@pytest.mark.gpu
def test_draws_are_the_same_on_a_gpu(data: HeteroData) -> None:
    expected = epoch(TripletLoader(data, seed=5))
    triplets = epoch(TripletLoader(data.to("cuda"), seed=5))
    assert triplets.is_cuda
    assert torch.equal(triplets.cpu(), expected)


def test_repr(data: HeteroData) -> None:
    num_edges = data[INTERACTS].edge_index.size(1)
    assert repr(TripletLoader(data, batch_size=8)) == f"TripletLoader({num_edges}, batch_size=8)"


@pytest.mark.parametrize("name", ["batch_size", "seed", "epoch"])
@pytest.mark.parametrize("got", [-1, 1.5, True, None, "1", float("nan"), 10**20])
def test_wrong_arguments(data: HeteroData, name: str, got: Any) -> None:
    loader = TripletLoader(data)
    with pytest.raises(ValueError, match=rf"'{name}' must.*\(got {got!r}\)"):
        loader.set_epoch(got) if name == "epoch" else TripletLoader(data, **{name: got})


def test_no_interactions(refused: Refused) -> None:
    with refused("data", "none"):
        TripletLoader(data_of([], num_users=2, num_items=2))


def test_triplets_without_a_negative_are_left_out_with_a_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pairs = [(0, 0), (1, 0), (1, 2), (2, 2), (3, 0), (3, 2)]
    loader = TripletLoader(data_of(pairs, num_users=5, num_items=3))
    assert [message.split(":")[0] for message in caplog.messages] == ["4 triplets left out"]
    assert re.findall(r"\d+", caplog.messages[0]) == ["4", "2", "5", "2"]
    assert loader.degree.tolist() == [1, 0, 1, 0, 0]
    assert sorted(epoch(loader).t().tolist()) == [[0, 0, 2], [2, 2, 0]]


def test_other_users_have_the_negatives_that_they_had(data: HeteroData) -> None:
    num_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    seen = data[INTERACTS].edge_index[1].unique()
    for user in (0, num_users - 1):
        others = data[INTERACTS].edge_index
        others = others[:, others[0] != user]
        everything = torch.stack([torch.full_like(seen, user), seen])
        both = data_of([], num_users, num_items)
        both[INTERACTS].edge_index = torch.cat([others, everything], dim=1)
        triplets = epoch(TripletLoader(both))
        assert sorted(triplets[:2].t().tolist()) == sorted(others.t().tolist())
        known = {tuple(pair) for pair in others.t().tolist()}
        assert not known & {tuple(pair) for pair in triplets[[0, 2]].t().tolist()}


@pytest.mark.parametrize("size", [1, 10])
def test_draws_do_not_depend_on_the_blocks(
    data: HeteroData, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = torch.cat([torch.stack(batch) for batch in TripletLoader(data, 16, seed=3)], dim=1)
    monkeypatch.setattr("soil_pyg.training.triplet_loader.TRIPLETS_PER_BLOCK", size)
    found = torch.cat([torch.stack(batch) for batch in TripletLoader(data, 16, seed=3)], dim=1)
    assert torch.equal(found, expected)
