from math import log2

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import (
    LinkPredAveragePopularity,
    LinkPredCoverage,
    LinkPredDiversity,
    LinkPredPersonalization,
)

from soil_pyg.ranking.metrics import CATALOGUE_METRICS, USER_METRICS, ListMetrics, surprise
from soil_pyg.typing import INTERACTS, ITEM, USER

NUM_USERS, NUM_ITEMS = 7, 9
NAMES = (*USER_METRICS, *CATALOGUE_METRICS)


def make_data() -> HeteroData:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 2, 3, 4, 5], [0, 1, 1, 1, 4, 8, 8]])
    data[ITEM].category = torch.tensor([5, 5, 0, 2, 2, 2, 0, 1, -3])
    return data


def lists(seed: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(NUM_USERS, NUM_ITEMS, generator=generator)
    order[:, :3] += 0.5  # Some items are recommended more often.
    return order.argsort(dim=1, descending=True)[:, :length]


def evaluate(ranked: Tensor, k: int, cut: int = 3) -> dict[str, float]:
    metrics, found = ListMetrics(make_data(), NAMES, [k]), []
    for block in (ranked[:cut], ranked[cut:]):
        found.append(metrics.add(block))
    values = {name: float(torch.cat([f[name] for f in found]).mean()) for name in found[0]}
    return values | metrics.of_catalogue()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), k=st.integers(2, 5), cut=st.integers(1, 6))
def test_equals_the_metrics_of_pyg(seed: int, k: int, cut: int) -> None:
    ranked, data = lists(seed, 5), make_data()
    popularity = torch.bincount(data[INTERACTS].edge_index[1], minlength=NUM_ITEMS)
    of_pyg = {
        "average_popularity": LinkPredAveragePopularity(k, popularity),
        "diversity": LinkPredDiversity(k, data[ITEM].category),
        "coverage": LinkPredCoverage(k, NUM_ITEMS),
        "personalization": LinkPredPersonalization(k),
    }
    found = evaluate(ranked, k, cut)
    for name, metric in of_pyg.items():
        metric.update(ranked, torch.zeros(2, 1, dtype=torch.long))
        assert found[f"{name}@{k}"] == pytest.approx(float(metric.compute()), abs=1e-6), name


def naive_gini(counts: list[int]) -> float:
    """Returns the mean absolute difference over all pairs, relative to twice the mean."""
    total = sum(abs(a - b) for a in counts for b in counts)
    return total / (2 * len(counts) * sum(counts))


@pytest.mark.parametrize("seed", range(3))
def test_gini_and_novelty_equal_their_definitions(seed: int) -> None:
    ranked = lists(seed, 4)
    counts = [int((ranked == item).sum()) for item in range(NUM_ITEMS)]
    found = evaluate(ranked, 4)
    assert found["gini@4"] == pytest.approx(naive_gini(counts))
    degree = [1, 3, 0, 0, 1, 0, 0, 0, 2]
    bits = [-log2(max(count, 1) / NUM_USERS) for count in degree]
    expected = [sum(bits[item] for item in row) / 4 for row in ranked.tolist()]
    assert found["novelty@4"] == pytest.approx(sum(expected) / NUM_USERS)
    assert surprise(make_data()).tolist() == pytest.approx(bits)


def test_extreme_lists() -> None:
    same = torch.arange(4).expand(NUM_USERS, 4)
    found = evaluate(same, 4)
    assert found["personalization@4"] == 0
    assert found["coverage@4"] == pytest.approx(4 / 9)
    assert found["gini@4"] == pytest.approx(5 / 9)
    assert evaluate(torch.arange(7).unsqueeze(1), 1)["personalization@1"] == 1
    assert evaluate(torch.arange(7).unsqueeze(1), 1)["diversity@1"] == 1


def test_padding_does_not_count() -> None:
    ranked = torch.tensor([[1, 0, NUM_ITEMS], [4, NUM_ITEMS, NUM_ITEMS], [8, 3, 5]])
    metrics = ListMetrics(make_data(), NAMES, [3])
    found = metrics.add(ranked)
    assert found["average_popularity@3"].tolist() == pytest.approx([2, 1, 2 / 3])
    # Items 0 and 1 share a category, items 3 and 5 another one.
    assert found["diversity@3"].tolist() == pytest.approx([0, 1, 2 / 3])
    assert metrics.of_catalogue()["coverage@3"] == pytest.approx(6 / 9)


def test_diversity_needs_categories(refused: object) -> None:
    data = make_data()
    del data[ITEM].category
    with pytest.raises(ValueError, match=r"'metrics'.*'diversity'.*category.*\(got None\)"):
        ListMetrics(data, ["diversity"], [3])
