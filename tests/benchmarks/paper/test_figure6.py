import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_bench.paper.command import main
from soil_bench.paper.figure6 import (
    choose_users,
    lists_of,
    report,
    shares_of,
    unseen_second_order,
)
from soil_bench.runs.run_job import load_data
from soil_pyg.cli.parser import UsageError
from soil_pyg.models import SOIL
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, SECOND_ORDER

pytest.importorskip("matplotlib")
MOST = 3


@pytest.fixture
def data(root: Path) -> HeteroData:
    """With some users without test items, and as many second-order items as there can be."""
    data = load_data("tiny", str(root))
    edges = data[INTERACTS]
    edges.test_edge_label_index = edges.test_edge_label_index[:, 4:]
    more = torch.tensor([[7, 7], [18, 19]])
    edges.test_edge_label_index = torch.cat([edges.test_edge_label_index, more], dim=1)
    return SOIL.graph_transform("released", k_a=8)(data)


@pytest.fixture
def models() -> list[TrainedModel]:
    generator = torch.Generator().manual_seed(0)
    models = []
    for _ in range(2):
        user_emb = torch.randn(30, 4, generator=generator)
        item_emb = torch.randn(20, 4, generator=generator)
        ids = np.arange(100, 130), np.array([f"item{item}" for item in range(20)])
        models.append(
            TrainedModel(torch.nn.Identity(), user_emb, item_emb, *ids, {}, {}, "", "", {})
        )
    return models


def pairs(edge_index: torch.Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.t().tolist()))


def expected_lists(data: HeteroData) -> dict[int, list[tuple[int, float]]]:
    """The second-order items of each user outside the training set, with loops."""
    train, edges = pairs(data[INTERACTS].edge_index), data[SECOND_ORDER]
    found: dict[int, list[tuple[int, float]]] = {user: [] for user in range(30)}
    for (user, item), weight in zip(
        edges.edge_index.t().tolist(), edges.edge_weight.tolist(), strict=True
    ):
        if (user, item) not in train:
            found[user].append((item, weight))
    return {
        user: sorted(items, key=lambda entry: (-entry[1], entry[0]))[:MOST]
        for user, items in found.items()
    }


def ranked(scores: np.ndarray, user: int, data: HeteroData) -> list[int]:
    train = pairs(data[INTERACTS].edge_index)
    items = [item for item in range(20) if (user, item) not in train]
    return sorted(items, key=lambda item: (-scores[item], item))


def test_lists_leave_training_items_out(data: HeteroData) -> None:
    train, found = pairs(data[INTERACTS].edge_index), pairs(data[SECOND_ORDER].edge_index)
    assert train & found, "the test needs second-order items from the training set"
    user, item, weight = unseen_second_order(data, MOST)
    expected = expected_lists(data)
    rows = [(user, *entry) for user, entries in expected.items() for entry in entries]
    assert list(zip(user.tolist(), item.tolist(), weight.tolist(), strict=True)) == rows
    lengths = {len(entries) for entries in expected.values()}
    assert len(lengths) > 1


def test_shares_against_loops(data: HeteroData, models: list[TrainedModel]) -> None:
    test, train = pairs(data[INTERACTS].test_edge_label_index), data[INTERACTS].edge_index
    expected = expected_lists(data)
    users = sorted({user for user, _ in test})
    assert len(users) < 30
    popularity = np.bincount(train[1], minlength=20)
    total, random, popular, second, ours = 0, 0.0, 0, 0, [0, 0]
    for user in users:
        length = len(expected[user])
        chosen = {item for owner, item in test if owner == user}
        unseen = ranked(popularity, user, data)
        total += length
        random += length * len(chosen) / len(unseen)
        popular += len(chosen & set(unseen[:length]))
        second += len(chosen & {item for item, _ in expected[user]})
        for place, model in enumerate(models):
            scores = (model.item_emb @ model.user_emb[user]).numpy()
            ours[place] += len(chosen & set(ranked(scores, user, data)[:length]))
    table = shares_of(data, trimmed(data), models, MOST).set_index("list")
    assert table.index.tolist() == ["random", "popular", "second-order", "SOIL"]
    hits = [random, popular, second, sum(ours) / 2]
    np.testing.assert_allclose(table["test items"], hits, rtol=1e-6)
    np.testing.assert_allclose(table["share"], np.array(hits) / total, rtol=1e-6)
    assert (table["items"] == total).all()
    assert (table["users"] == sum(len(expected[user]) > 0 for user in users)).all()
    assert table["share std"]["SOIL"] == pytest.approx(abs(ours[0] - ours[1]) / total / 2**0.5)
    assert table["share std"].isna().tolist() == [True, True, True, False]


def trimmed(data: HeteroData) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return unseen_second_order(data, MOST)


def test_no_second_order_items_at_all(data: HeteroData, models: list[TrainedModel]) -> None:
    none = torch.empty(0, dtype=torch.long)
    table = shares_of(data, (none, none, none.float()), models, MOST)
    assert (table["items"] == 0).all()
    assert table["share"].isna().all()


def test_the_lists_of_a_user(data: HeteroData, models: list[TrainedModel]) -> None:
    test, expected = pairs(data[INTERACTS].test_edge_label_index), expected_lists(data)
    table = lists_of(data, trimmed(data), models[0], torch.tensor([7, 2]), most=5)
    assert table["user"].unique().tolist() == [107, 102]
    for user in (7, 2):
        rows = table[table["user"] == 100 + user]
        second = rows[rows["list"] == "second-order"]
        items = [item for item, _ in expected[user]]
        assert second["item"].tolist() == [f"item{item}" for item in items]
        np.testing.assert_allclose(second["score"], [weight for _, weight in expected[user]])
        scores = (models[0].item_emb @ models[0].user_emb[user]).numpy()
        best = ranked(scores, user, data)[:5]
        ours = rows[rows["list"] == "SOIL"]
        assert ours["item"].tolist() == [f"item{item}" for item in best]
        assert ours["rank"].tolist() == [1, 2, 3, 4, 5]
        np.testing.assert_allclose(ours["score"], scores[best], rtol=1e-5)
        assert ours["in test"].tolist() == [(user, item) in test for item in best]
        assert ours["second-order"].tolist() == [item in items for item in best]
        assert second["second-order"].all()
        assert (rows["test items"] == sum(owner == user for owner, _ in test)).all()


def test_a_ranking_ends_with_the_unseen_items(data: HeteroData, models: list[TrainedModel]) -> None:
    table = lists_of(data, trimmed(data), models[0], torch.tensor([3]), most=50)
    unseen = 20 - int((data[INTERACTS].edge_index[0] == 3).sum())
    assert (table["list"] == "SOIL").sum() == unseen


def test_users_are_chosen_by_their_lists_alone(data: HeteroData) -> None:
    test = data[INTERACTS].test_edge_label_index
    num_test = np.bincount(test[0], minlength=30)
    # User 7 has three test items; the first four users that had one have none.
    assert num_test[7] == 3
    listed = torch.tensor([9, 9, 7, 7, 25, 25, 4, int((num_test == 0).argmax())]).repeat(2)
    assert choose_users(data, listed).tolist() == [7, 9, 25]


@pytest.mark.usefixtures("trained_runs")
def test_from_the_arguments_to_the_files(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["figure6", "--dataset", "tiny", "--root", str(root), "--device", "cpu"]
    arguments = [*given, "--seeds", "2", "--epochs", "1", "--out", str(tmp_path / "out")]
    with pytest.raises(ValueError, match="'--users': the run has no user '31'"):
        main([*arguments, "--users", "4", "31"])
    assert not (tmp_path / "out").exists()
    assert main([*arguments, "--profile", "paper"]) == 0
    folder = tmp_path / "out" / "paper"
    names = ["figure6-tiny-lists.csv", "figure6-tiny.csv", "figure6-tiny.pdf", "figure6-tiny.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    # Two second-order items and one test item of each: the first users.
    lists = pd.read_csv(folder / "figure6-tiny-lists.csv")
    assert lists["user"].unique().tolist() == [0, 1, 2]
    assert (lists["list"] == "second-order").sum() == 6
    shares = pd.read_csv(folder / "figure6-tiny.csv")
    assert shares["items"].tolist() == [60] * 4
    # 14 unseen items of each user, one of them in the test set.
    assert shares["share"][0] == pytest.approx(1 / 14, abs=1e-6)
    output = capsys.readouterr().out
    assert "Test items among unseen items" in output
    more = ["--users", "20", "4", "20", "--items", "14"]
    assert main([*arguments, "--profile", "paper", *more]) == 0
    assert "finished before" in capsys.readouterr().out
    lists = pd.read_csv(folder / "figure6-tiny-lists.csv")
    assert lists["user"].unique().tolist() == [20, 4]
    assert lists["rank"].max() == 14
    width = struct.unpack(">I", (folder / "figure6-tiny.png").read_bytes()[16:20])[0]
    assert width > 1400
    with pytest.raises(UsageError, match="items"):
        main([*arguments, "--items", "0"])


def test_the_printed_table() -> None:
    row = {"list": "SOIL", "users": 1200, "items": 2400, "test items": 24.5}
    table = pd.DataFrame([row | {"share": 0.0102, "share std": 0.001}])
    assert report(table, "what").rows == [["SOIL", "1,200", "2,400", "24.5", "1.02% ± 0.10%"]]
