from collections.abc import Callable
from dataclasses import FrozenInstanceError
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking import Evaluator, evaluate_groups
from soil_pyg.ranking.group_metrics import GROUPINGS
from soil_pyg.ranking.metrics import CATALOGUE_METRICS, surprise
from soil_pyg.reports.ranking_statistics import history_novelty
from soil_pyg.typing import INTERACTS

RandomData = Callable[..., HeteroData]
Draw = Callable[..., Tensor]
Tables = Callable[[Tensor, Tensor], Any]


def top(data: HeteroData, scores: Tensor, user: int, k: int) -> list[int]:
    known = {i for u, i in data[INTERACTS].edge_index.t().tolist() if u == user}
    row = scores[user].tolist()
    items = [item for item in range(len(row)) if item not in known]
    return sorted(items, key=lambda item: (-row[item], item))[:k]


def naive_recall(
    data: HeteroData, scores: Tensor, items: set[int], users: set[int]
) -> tuple[int, float]:
    """Returns the number of users with a held-out item among the items, and their recall at 5."""
    recalls = []
    pairs = data[INTERACTS].test_edge_label_index.t().tolist()
    for user in sorted(users):
        relevant = {i for u, i in pairs if u == user} & items
        if relevant:
            hits = relevant & set(top(data, scores, user, 5))
            recalls.append(len(hits) / len(relevant))
    return len(recalls), float(np.mean(recalls))


@pytest.fixture
def case(random_data: RandomData, tables: Tables, normal: Draw) -> tuple[HeteroData, Any, Tensor]:
    data = random_data(num_users=20, num_items=25)
    user_emb, item_emb = normal(20, 3), normal(25, 3, seed=1)
    return data, tables(user_emb, item_emb), user_emb @ item_emb.t()


@pytest.mark.parametrize("num_groups", [1, 3])
def test_groups_of_items_equal_the_definition(
    case: tuple[HeteroData, Any, Tensor], num_groups: int
) -> None:
    data, model, scores = case
    degree = torch.bincount(data[INTERACTS].edge_index[1], minlength=25).tolist()
    groups = evaluate_groups(
        Evaluator([5]), model, data, "test", "item_popularity", num_groups=num_groups
    )
    assert 1 <= len(groups) <= num_groups
    for group in groups:
        items = {item for item in range(25) if group.lowest <= degree[item] <= group.highest}
        expected = naive_recall(data, scores, items, set(range(20)))
        assert group.num_users == expected[0]
        assert group.metrics["recall@5"] == pytest.approx(expected[1])
    if num_groups == 1:
        assert groups[0].metrics == pytest.approx(Evaluator([5]).evaluate(model, data, "test"))


def test_cold_and_warm_items(case: tuple[HeteroData, Any, Tensor]) -> None:
    data, model, scores = case
    train = data[INTERACTS].edge_index
    cold = data[INTERACTS].test_edge_label_index[1, 0]
    data[INTERACTS].edge_index = train[:, train[1] != cold]
    groups = evaluate_groups(Evaluator([5]), model, data, "test", "cold_items")
    assert [group.lowest > 0 for group in groups] == [False, True]
    assert groups[0].highest == 0
    degree = torch.bincount(data[INTERACTS].edge_index[1], minlength=25)
    for group, is_member in zip(groups, (degree == 0, degree > 0), strict=True):
        items = set(is_member.nonzero().view(-1).tolist())
        expected = naive_recall(data, scores, items, set(range(20)))
        assert (group.num_users, group.metrics["recall@5"]) == pytest.approx(expected)


def test_warm_items_only(case: tuple[HeteroData, Any, Tensor]) -> None:
    data, model, _ = case
    groups = evaluate_groups(Evaluator([5]), model, data, "test", "cold_items")
    assert len(groups) == 1
    assert groups[0].lowest > 0
    with pytest.raises(FrozenInstanceError):
        groups[0].lowest = 0  # type: ignore[misc]


def test_groups_of_users_equal_the_definition(case: tuple[HeteroData, Any, Tensor]) -> None:
    data, model, scores = case
    degree = torch.bincount(data[INTERACTS].edge_index[0], minlength=20).tolist()
    evaluator = Evaluator([5], metrics=["recall", "novelty"])
    groups = evaluate_groups(evaluator, model, data, "test", "user_history", num_groups=3)
    num_users = len(data[INTERACTS].test_edge_label_index[0].unique())
    assert sum(group.num_users for group in groups) == num_users
    for group in groups:
        users = {user for user in range(20) if group.lowest <= degree[user] <= group.highest}
        expected = naive_recall(data, scores, set(range(25)), users)
        assert (group.num_users, group.metrics["recall@5"]) == pytest.approx(expected)
        assert set(group.metrics) == {"recall@5", "novelty@5"}


def test_wrong_arguments(case: tuple[HeteroData, Any, Tensor]) -> None:
    data, model, _ = case
    with pytest.raises(ValueError, match=r"'by'.*\(got 'age'\)"):
        evaluate_groups(Evaluator([5]), model, data, by="age")
    with pytest.raises(ValueError, match=r"'num_groups'.*\(got 0\)"):
        evaluate_groups(Evaluator([5]), model, data, num_groups=0)


@pytest.mark.parametrize(
    ("by", "name"),
    [
        *product(GROUPINGS, CATALOGUE_METRICS),
        *product(("item_popularity", "cold_items"), ("novelty", "average_popularity")),
    ],
)
def test_a_metric_that_groups_do_not_have_is_refused(
    case: tuple[HeteroData, Any, Tensor], by: str, name: str
) -> None:
    data, model, _ = case
    with pytest.raises(ValueError, match=rf"'metrics'.* with by='{by}' \(got '{name}'\)"):
        evaluate_groups(Evaluator([5], metrics=["recall", name]), model, data, by=by)


def test_repeated_interactions_count_once(case: tuple[HeteroData, Any, Tensor]) -> None:
    data, model, _ = case
    metrics = ("recall", "novelty", "average_popularity")
    expected = Evaluator([5], metrics=metrics).evaluate(model, data, "test")
    groups = {by: evaluate_groups(Evaluator([5]), model, data, "test", by) for by in GROUPINGS}
    edges = data[INTERACTS].edge_index
    data[INTERACTS].edge_index = torch.cat([edges, edges[:, :3], edges[:, :1]], dim=1)
    assert Evaluator([5], metrics=metrics).evaluate(model, data, "test") == expected
    for by, found in groups.items():
        assert evaluate_groups(Evaluator([5]), model, data, "test", by) == found
    assert history_novelty(data) == pytest.approx(float(surprise(data)[edges[1]].mean()), rel=1e-12)
