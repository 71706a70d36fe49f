import re
import reprlib
from collections.abc import Callable
from math import log2
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import LinkPredMetricCollection

from soil_pyg.models import BPR
from soil_pyg.ranking import best_items
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.metrics import ALL_METRICS, DEFAULT_METRICS, HIT_METRICS, ListMetrics
from soil_pyg.training import Trainer
from soil_pyg.typing import INTERACTS, ITEM, USER

RandomData = Callable[..., HeteroData]
Draw = Callable[..., Tensor]
Tables = Callable[[Tensor, Tensor], Any]


def naive_rank(scores: Tensor, data: HeteroData, user: int, k: int) -> list[int]:
    train = {i for u, i in data[INTERACTS].edge_index.t().tolist() if u == user}
    row = scores[user].tolist()
    items = [item for item in range(len(row)) if item not in train]
    return sorted(items, key=lambda item: (-row[item], item))[:k]


def naive_metrics(ranked: list[int], relevant: set[int], k: int) -> dict[str, float]:
    hits = [item in relevant for item in ranked[:k]]
    best = min(len(relevant), k)
    precisions = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
    dcg = sum(1 / log2(i + 2) for i, hit in enumerate(hits) if hit)
    return {
        f"recall@{k}": sum(hits) / len(relevant),
        f"ndcg@{k}": dcg / sum(1 / log2(i + 2) for i in range(best)),
        f"precision@{k}": sum(hits) / k,
        f"map@{k}": sum(precisions) / best,
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    num_items=st.integers(14, 30),
    seed=st.integers(0, 1000),
    split=st.sampled_from(["val", "test"]),
    ks=st.sampled_from([(1,), (2, 5), (3, 40)]),
)
def test_against_the_definitions(
    random_data: RandomData,
    tables: Tables,
    few_values: Draw,
    num_items: int,
    seed: int,
    split: str,
    ks: tuple[int, ...],
) -> None:
    data = random_data(num_users=6, num_items=num_items, seed=seed)
    user_emb, item_emb = few_values(6, 2, seed=seed), few_values(num_items, 2, seed=seed + 1)
    pairs = data[INTERACTS][f"{split}_edge_label_index"].t().tolist()
    users = sorted({user for user, _ in pairs})
    expected: dict[str, list[float]] = {}
    for user in users:
        ranked = naive_rank(user_emb @ item_emb.t(), data, user, max(ks))
        for k in ks:
            relevant = {item for u, item in pairs if u == user}
            for name, value in naive_metrics(ranked, relevant, k).items():
                expected.setdefault(name, []).append(value)

    model = tables(user_emb, item_emb)
    per_user = Evaluator(ks).evaluate_per_user(model, data, split)
    assert per_user.keys() == expected.keys()
    for name, values in expected.items():
        assert per_user[name] == pytest.approx(values, abs=1e-6), name
    means = {name: float(np.mean(values)) for name, values in expected.items()}
    assert Evaluator(ks).evaluate(model, data, split) == pytest.approx(means, abs=1e-6)


def test_equals_the_metrics_of_pyg(data: HeteroData, tables: Tables, normal: Draw) -> None:
    user_emb, item_emb = normal(30, 4), normal(40, 4, seed=1)
    users = torch.arange(30)
    ranked = Evaluator().rank(user_emb, item_emb, data, users, 20)[1]
    metrics = LinkPredMetricCollection(
        [HIT_METRICS[m](k) for k in (5, 20) for m in DEFAULT_METRICS]
    )
    metrics.update(ranked, data[INTERACTS].test_edge_label_index)
    expected = {
        name.removeprefix("LinkPred").lower(): float(value)
        for name, value in metrics.compute().items()
    }
    metrics_of_ours = Evaluator((20, 5)).evaluate(tables(user_emb, item_emb), data, "test")
    assert metrics_of_ours == pytest.approx(expected, abs=1e-6)


def test_all_metrics_of_hits_and_lists(data: HeteroData, tables: Tables, normal: Draw) -> None:
    data[ITEM].category = torch.arange(40) % 3
    user_emb, item_emb = normal(30, 4), normal(40, 4, seed=1)
    model, evaluator = tables(user_emb, item_emb), Evaluator((3, 10), metrics=ALL_METRICS)
    users = data[INTERACTS].test_edge_label_index[0].unique()
    ranked = evaluator.rank(user_emb, item_emb, data, users, 10)[1]
    lists = ListMetrics(data, ALL_METRICS, (3, 10))
    expected = {name: float(value.mean()) for name, value in lists.add(ranked).items()}
    expected |= lists.of_catalogue()
    user, item = data[INTERACTS].test_edge_label_index
    label = torch.stack([torch.searchsorted(users, user), item])
    for name, cls in HIT_METRICS.items():
        for k in (3, 10):
            metric = cls(k)
            metric.update(ranked, label)
            expected[f"{name}@{k}"] = float(metric.compute())
    found = evaluator.evaluate(model, data, "test")
    assert list(found) == [f"{name}@{k}" for name in ALL_METRICS for k in (3, 10)]
    assert found == pytest.approx(expected, abs=1e-6)


def test_only_training_items_are_masked_and_only_users_with_held_out_items_count(
    tables: Tables,
) -> None:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 3, 4
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 0, 3]])
    data[INTERACTS].val_edge_label_index = torch.tensor([[0], [2]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[0, 2, 2], [3, 0, 2]])
    model = tables(torch.ones(3, 1), torch.tensor([[4.0], [3.0], [2.0], [1.0]]))
    evaluator = Evaluator(ks=(1, 2))
    # User 0 gets items 2, 3: validation items stay candidates. User 2 gets 0, 1.
    assert evaluator.evaluate(model, data, "test") == pytest.approx(
        {
            "recall@1": (0 + 1 / 2) / 2,
            "ndcg@1": (0 + 1) / 2,
            "precision@1": (0 + 1) / 2,
            "map@1": (0 + 1) / 2,
            "recall@2": (1 + 1 / 2) / 2,
            "ndcg@2": (1 / log2(3) + 1 / (1 + 1 / log2(3))) / 2,
            "precision@2": (1 / 2 + 1 / 2) / 2,
            "map@2": (1 / 2 + 1 / 2) / 2,
        }
    )
    per_user = evaluator.evaluate_per_user(model, data, "test")
    assert per_user["recall@2"].tolist() == [1.0, 0.5]
    assert evaluator.evaluate(model, data)["recall@1"] == 1.0


@pytest.mark.parametrize("draw", ["normal", "few_values"])
def test_blocks_and_threads_change_nothing(
    threads: None,
    random_data: RandomData,
    tables: Tables,
    request: pytest.FixtureRequest,
    draw: str,
) -> None:
    data, values = random_data(num_users=200, num_items=300), request.getfixturevalue(draw)
    model = tables(values(200, 16), values(300, 16, seed=1))
    expected = Evaluator().evaluate(model, data, "test")
    for num_rows in (20, 64, 1000):
        blocked = Evaluator(memory_budget=16 * 300 * num_rows)
        assert blocked.evaluate(model, data, "test") == expected
    single = Evaluator(memory_budget=1).evaluate(model, data, "test")
    assert single == (expected if draw == "few_values" else pytest.approx(expected))


def test_blocks_keep_to_the_budget(
    random_data: RandomData, tables: Tables, normal: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []

    def topk(scores: Tensor, k: int, *_: object) -> tuple[Tensor, Tensor]:
        rows.append(scores.size(0))
        return scores.topk(min(k, scores.size(1)))

    monkeypatch.setattr(best_items, "topk_rescored", topk)
    data = random_data(num_users=30, num_items=40)
    Evaluator(memory_budget=16 * 40 * 7).evaluate(tables(normal(30, 2), normal(40, 2)), data)
    assert rows == [6] * 5


def test_interactions_in_any_order(data: HeteroData, tables: Tables, normal: Draw) -> None:
    model = tables(normal(30, 4), normal(40, 4, seed=1))
    expected = Evaluator().evaluate(model, data)
    for name in ("edge_index", "val_edge_label_index"):
        edge_index = data[INTERACTS][name]
        data[INTERACTS][name] = edge_index[:, torch.randperm(edge_index.size(1))]
    assert Evaluator().evaluate(model, data) == expected


@pytest.mark.parametrize("training", [True, False])
def test_model_is_called_once_in_evaluation_mode(
    data: HeteroData, tables: Tables, normal: Draw, training: bool
) -> None:
    model = tables(normal(30, 4), normal(40, 4)).train(training)
    Evaluator(memory_budget=1).evaluate(model, data)
    assert model.modes == [(False, False)]
    assert model.training is training


def test_mode_is_restored_after_an_error(data: HeteroData) -> None:
    class Broken(torch.nn.Module):
        def forward(self, data: HeteroData) -> None:
            raise RuntimeError("broken")

    model = Broken().train()
    with pytest.raises(RuntimeError, match="broken"):
        Evaluator().evaluate(model, data)
    assert model.training


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_not_numbers(data: HeteroData, tables: Tables, value: float) -> None:
    item_emb = torch.ones(40, 4)
    item_emb[17, 2] = value
    with pytest.raises(FloatingPointError):
        Evaluator().evaluate(tables(torch.ones(30, 4), item_emb), data)


@pytest.mark.parametrize(
    ("name", "got"),
    [("ks", got) for got in ([], 5, "10", None)]
    + [("ks", [5, got]) for got in (0, -1, 1.5, "10", True, None, 10**20, torch.nan)]
    + [("memory_budget", got) for got in (0, -1, 1.5, "1", True, torch.nan)],
)
def test_wrong_arguments(name: str, got: Any) -> None:
    shown = got[-1] if isinstance(got, list) and got else got
    with pytest.raises(ValueError, match=rf"'{name}' must.*\(got {re.escape(reprlib.repr(shown))}"):
        Evaluator(**{name: got})


@pytest.mark.parametrize("split", ["train", "valid", "validation"])
def test_unknown_splits_are_refused_with_the_known_ones(data: HeteroData, split: str) -> None:
    with pytest.raises(ValueError, match=rf"'split'.*'val', 'test'.*\(got '{split}'\)"):
        Evaluator().evaluate(torch.nn.Identity(), data, split)


@pytest.mark.parametrize("split", ["val", "test"])
def test_splits_without_interactions(data: HeteroData, split: str) -> None:
    data[INTERACTS][f"{split}_edge_label_index"] = torch.empty(2, 0, dtype=torch.long)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"'{split}'.*\(got none\)"):
            Evaluator().evaluate(torch.nn.Identity(), data, split)
        data[INTERACTS].pop(f"{split}_edge_label_index", None)


def one_user(train: Any, held_out: Any) -> HeteroData:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 1, 4
    data[INTERACTS].edge_index = torch.tensor(train)
    data[INTERACTS].val_edge_label_index = torch.as_tensor(held_out)
    return data


def test_pairs_that_are_held_out_twice_count_once(tables: Tables) -> None:
    model = tables(torch.ones(1, 1), torch.tensor([[4.0], [3.0], [2.0], [1.0]]))
    once = one_user([[0], [0]], [[0, 0], [1, 2]])
    twice = one_user([[0], [0]], [[0, 0, 0, 0], [2, 1, 1, 2]])
    found = Evaluator((1, 2)).evaluate(model, twice)
    assert found == Evaluator((1, 2)).evaluate(model, once)
    assert (found["recall@1"], found["recall@2"]) == (0.5, 1.0)
    # Edges that are repeated, and a list that is longer than the catalogue.
    repeated = one_user([[0, 0], [0, 0]], [[0, 0], [1, 2]])
    assert Evaluator((1, 2)).evaluate(model, repeated) == found
    assert Evaluator((100,)).evaluate(model, once)["precision@100"] == pytest.approx(0.02)


def test_held_out_pairs_of_the_train_split_are_left_out(
    tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    model = tables(torch.ones(1, 1), torch.tensor([[4.0], [3.0], [2.0], [1.0]]))
    right = Evaluator((1, 2)).evaluate(model, one_user([[0], [0]], [[0, 0], [1, 2]]))
    assert caplog.records == []
    data = one_user([[0], [0]], [[0, 0, 0], [1, 0, 2]])
    assert Evaluator((1, 2)).evaluate(model, data) == right
    assert Evaluator((1, 2)).evaluate(model, data) == right
    assert [record.args for record in caplog.records] == [(1, 3, "val")]


@pytest.mark.parametrize(
    ("pairs", "match"),
    [
        ([[0, 0], [0, 0]], r"'data'.*'val'.*train split \(got 1, all"),
        ([[0], [-1]], "'val_edge_label_index'.*-1 of type 'item'"),
        ([[0], [4]], "'val_edge_label_index'.*4 of type 'item'"),
        ([[1], [1]], "'val_edge_label_index'.*1 of type 'user'"),
        ([[0.0], [1.0]], r"'val_edge_label_index'.*integers \(got torch.float32"),
        ([[0], [1], [2]], r"'val_edge_label_index'.*shape.*\(got \[3, 1\]"),
        ([0, 1], r"'val_edge_label_index'.*shape.*\(got \[2\]"),
        ([[True], [False]], r"'val_edge_label_index'.*integers \(got torch.bool"),
    ],
)
def test_held_out_pairs_that_cannot_be_right(pairs: Any, match: str) -> None:
    data = one_user([[0], [0]], pairs)
    for check in (
        lambda: Evaluator((1,)).evaluate(torch.nn.Identity(), data),
        lambda: Trainer(ks=[20], progress=False).fit(BPR(1, 4), data),
    ):
        with pytest.raises(ValueError, match=match):
            check()


@pytest.mark.parametrize(("num_users", "num_items"), [(2, 4), (1, 3), (1, 5), (0, 4)])
def test_a_model_of_other_sizes(tables: Tables, num_users: int, num_items: int) -> None:
    model = tables(torch.ones(num_users, 2), torch.ones(num_items, 2))
    with pytest.raises(ValueError, match=rf"'model'.*\(got {num_users} and {num_items}\)"):
        Evaluator((1,)).evaluate(model, one_user([[0], [0]], [[0], [1]]))


def test_names_and_repr() -> None:
    assert Evaluator((20, 5, 5)).names == [
        "recall@5", "recall@20", "ndcg@5", "ndcg@20",
        "precision@5", "precision@20", "map@5", "map@20",
    ]  # fmt: skip
    assert repr(Evaluator((20, 5))) == "Evaluator(ks=(5, 20))"


@pytest.mark.parametrize(
    "embeddings", [None, 1.0, (torch.ones(3, 2),), (torch.ones(3, 2),) * 3, (np.ones((3, 2)),) * 2]
)
def test_models_that_return_no_embeddings(random_data: RandomData, embeddings: object) -> None:
    class Model(torch.nn.Module):
        def forward(self, data: HeteroData) -> object:
            return embeddings

    with pytest.raises(TypeError, match="'model' must return two tensors"):
        Evaluator(ks=[1]).evaluate(Model(), random_data(), "val")
