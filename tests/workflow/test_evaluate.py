from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg import evaluate
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS


def test_metrics_are_those_of_the_run(run_folder: Path) -> None:
    frame = evaluate(run_folder)
    assert list(frame) == ["metric", "val", "test"]
    for split, expected in soil_pyg.load(run_folder).metrics.items():
        assert dict(zip(frame["metric"], frame[split], strict=True)) == expected


def test_other_lengths_of_one_split(run_folder: Path, data_folder: Path) -> None:
    frame = evaluate(run_folder, splits=["test"], ks=[1, 3], memory_budget=2**10)
    trained = soil_pyg.load(run_folder)
    data = load_data_folder(data_folder)
    expected = Evaluator([1, 3]).evaluate(trained.model, data, "test")
    assert dict(zip(frame["metric"], frame["test"], strict=True)) == expected


def test_one_word_for_the_splits(run_folder: Path) -> None:
    metrics = soil_pyg.load(run_folder).metrics
    for split in HELD_OUT_SPLITS:
        frame = evaluate(run_folder, splits=[split])
        assert list(frame) == ["metric", split]
        assert dict(zip(frame["metric"], frame[split], strict=True)) == metrics[split]


def test_every_user(run_folder: Path, data_folder: Path) -> None:
    frame = evaluate(run_folder, per_user=True)
    assert list(frame)[:3] == ["split", "user", "recall@5"]
    means = evaluate(run_folder).set_index("metric")
    for split, group in frame.groupby("split"):
        assert group["recall@20"].mean() == pytest.approx(means.loc["recall@20", str(split)])
    store = load_data_folder(data_folder)[INTERACTS]
    users = store.test_edge_label_index[0].unique() * 10
    assert frame.loc[frame["split"] == "test", "user"].tolist() == users.tolist()


def test_other_metrics(run_folder: Path) -> None:
    options = {"ks": [5], "metrics": ["gini", "mrr", "novelty"]}
    frame = evaluate(run_folder, "test", **options)
    assert frame["metric"].tolist() == ["gini@5", "mrr@5", "novelty@5"]
    users = evaluate(run_folder, "test", **options, per_user=True)
    assert list(users) == ["split", "user", "mrr@5", "novelty@5"]
    means = users[["mrr@5", "novelty@5"]].mean().tolist()
    assert frame["test"].tolist()[1:] == pytest.approx(means)


@pytest.mark.parametrize("by", ["user_history", "item_popularity", "cold_items"])
def test_groups(run_folder: Path, by: str) -> None:
    frame = evaluate(run_folder, ks=[5], metrics=["recall", "f1"], by=by)
    assert list(frame) == ["split", "lowest", "highest", "num_users", "recall@5", "f1@5"]
    assert set(frame["split"]) == {"val", "test"}
    if by == "user_history":
        test = frame[frame["split"] == "test"]
        mean = (test["recall@5"] * test["num_users"]).sum() / test["num_users"].sum()
        assert mean == pytest.approx(evaluate(run_folder, "test", ks=[5])["test"][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["accuracy"]}, r"'metrics'.*\(got 'accuracy'\)"),
        ({"by": "age"}, r"'by'.*\(got 'age'\)"),
        ({"by": "user_history", "metrics": ["ndcg", "gini"]}, r"'metrics'.*\(got 'gini'\)"),
        ({"per_user": True, "metrics": ["gini"]}, r"'metrics'.*\(got \['gini'\]\)"),
        ({"by": "cold_items", "per_user": True}, r"'by'.*\(got 'cold_items'\)"),
        ({"splits": ["train"]}, "'splits'.*'val', 'test'.*'train'"),
        ({"splits": ["validation"]}, "'splits'.*'val', 'test'.*'validation'"),
        ({"ks": [0]}, r"'ks'.*\(got 0\)"),
        ({"memory_budget": 0}, r"'memory_budget'.*\(got 0\)"),
    ],
)
def test_wrong_arguments(run_folder: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(run_folder, **options)


def test_other_data(run_folder: Path, featured_data: Callable[..., HeteroData]) -> None:
    with pytest.raises(ValueError, match="digest 1"):
        evaluate(run_folder, data=featured_data(2, seed=1))


def test_a_run_with_new_users(run_folder: Path, data_folder: Path) -> None:
    frame = pd.DataFrame({"user": ["new"], "item": [soil_pyg.load(run_folder).item_id[0]]})
    trained = soil_pyg.add_users(soil_pyg.load(run_folder), data_folder, frame)
    with pytest.raises(ValueError, match=r"'trained' .*without new users.*\(got 1 and 0\): load"):
        evaluate(trained)
