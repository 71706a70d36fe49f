import math
from collections import defaultdict
from collections.abc import Callable
from itertools import combinations
from statistics import fmean

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.groups import quantile_groups
from soil_pyg.reports import ranking_statistics as module
from soil_pyg.reports.ranking_statistics import (
    history_groups,
    history_novelty,
    popularity_groups,
    ranking_statistics,
    recall_of_users,
    surprise,
)
from soil_pyg.typing import INTERACTS

RandomData = Callable[..., HeteroData]
KS = (2, 5, 8)


@pytest.fixture
def data(random_data: RandomData) -> HeteroData:
    return random_data()


@pytest.fixture
def model() -> BPR:
    torch.manual_seed(0)
    return BPR(30, 40, hidden_channels=4)


@pytest.fixture
def held_out(data: HeteroData) -> Tensor:
    # In another order than that of the users.
    return data[INTERACTS].test_edge_label_index.flip(1)


def naive_lists(model: BPR, data: HeteroData, k: int) -> list[list[int]]:
    user_emb, item_emb = (emb.tolist() for emb in model(data))
    seen = set(map(tuple, data[INTERACTS].edge_index.t().tolist()))
    lists = []
    for user, u in enumerate(user_emb):
        scores = [sum(a * b for a, b in zip(u, i, strict=True)) for i in item_emb]
        items = [item for item in range(40) if (user, item) not in seen]
        lists.append(sorted(items, key=lambda item: -scores[item])[:k])
    return lists


def naive_surprise(data: HeteroData) -> list[float]:
    items = data[INTERACTS].edge_index[1].tolist()
    return [-math.log2(max(items.count(item), 1) / 30) for item in range(40)]


@pytest.mark.parametrize("users_at_once", [7, 2**13])
def test_lists(
    data: HeteroData,
    model: BPR,
    held_out: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    users_at_once: int,
) -> None:
    monkeypatch.setattr(module, "USERS_AT_ONCE", users_at_once)
    found = ranking_statistics(*model(data), data, held_out, KS)
    lists, bits = naive_lists(model, data, 8), naive_surprise(data)
    places = [
        lists[user].index(item) if item in lists[user] else 8
        for user, item in held_out.t().tolist()
    ]
    assert found.place.tolist() == places
    for k in KS:
        shown = [item for items in lists for item in items[:k]]
        assert found.coverage[k] == len(set(shown)) / 40
        counts = [shown.count(item) for item in range(40)]
        spread = sum(abs(a - b) for a in counts for b in counts)
        assert found.gini[k] == pytest.approx(spread / (2 * 40 * len(shown)))
        common = [len({*a[:k]} & {*b[:k]}) / k for a, b in combinations(lists, 2)]
        assert found.personalization[k] == pytest.approx(1 - fmean(common))
        assert found.novelty[k] == pytest.approx(fmean(bits[item] for item in shown))


def test_recall_is_that_of_the_evaluator(data: HeteroData, model: BPR, held_out: Tensor) -> None:
    place = ranking_statistics(*model(data), data, held_out, KS).place
    expected = Evaluator(KS).evaluate_per_user(model, data, "test")
    for k in KS:
        found = recall_of_users(place, held_out, k)
        assert found.tolist() == pytest.approx(expected[f"recall@{k}"].tolist())


def test_lists_longer_than_there_are_candidates(random_data: RandomData) -> None:
    data = random_data(num_users=5, num_items=13)
    model = BPR(5, 13, hidden_channels=4)
    test = data[INTERACTS].test_edge_label_index
    found = ranking_statistics(*model(data), data, test, [13, 50])
    items = data[INTERACTS].edge_index[1].tolist()
    # An item that all five users have is never recommended.
    covered = sum(items.count(item) < 5 for item in range(13)) / 13
    assert int(found.place.max()) < 13
    assert found.coverage == pytest.approx({13: covered, 50: covered})
    total = 5 * surprise(data).sum() - surprise(data)[data[INTERACTS].edge_index[1]].sum()
    assert found.novelty[50] == pytest.approx(float(total) / (5 * 13 - len(items)))
    assert found.novelty[13] == found.novelty[50]


def test_surprise(data: HeteroData) -> None:
    assert surprise(data).tolist() == pytest.approx(naive_surprise(data))
    bits = naive_surprise(data)
    items = data[INTERACTS].edge_index[1].tolist()
    assert history_novelty(data) == pytest.approx(fmean(bits[item] for item in items))


@pytest.mark.parametrize("num_groups", [1, 2, 3, 5, 100])
def test_quantile_groups(num_groups: int) -> None:
    torch.manual_seed(num_groups)
    count = torch.randint(0, 12, (60,)) ** 2
    groups = quantile_groups(count, num_groups)
    members = defaultdict(list)
    for value, index in zip(count.tolist(), groups.index.tolist(), strict=True):
        members[index].append(value)
    assert groups.bounds == [(min(m), max(m)) for _, m in sorted(members.items())]
    assert groups.size == [len(m) for _, m in sorted(members.items())]
    assert len(groups.size) <= num_groups
    # Groups follow one another, so equal counts are together.
    assert all(a[1] < b[0] for a, b in zip(groups.bounds, groups.bounds[1:], strict=False))
    value = torch.rand(60)
    means = [
        fmean(v for v, i in zip(value.tolist(), groups.index.tolist(), strict=True) if i == group)
        for group in range(len(groups.size))
    ]
    assert groups.mean(value) == pytest.approx(means)


def test_groups_of_about_the_same_size() -> None:
    assert quantile_groups(torch.arange(50)).size == [10] * 5
    assert quantile_groups(torch.tensor([3, 3, 3])).bounds == [(3, 3)]
    assert quantile_groups(torch.tensor([7])).size == [1]


def test_groups_of_held_out_pairs(data: HeteroData, held_out: Tensor) -> None:
    users, items = data[INTERACTS].edge_index.tolist()
    groups = popularity_groups(data, held_out)
    for index, item in zip(groups.index.tolist(), held_out[1].tolist(), strict=True):
        low, high = groups.bounds[index]
        assert low <= items.count(item) <= high
    groups = history_groups(data, held_out)
    for user, index in enumerate(groups.index.tolist()):
        low, high = groups.bounds[index]
        assert low <= users.count(user) <= high
