from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import run
from soil_bench.runs.run_job import load_data
from soil_bench.studies.derived_data import without_items, without_users
from soil_bench.studies.newcomers import draw, main, reports
from soil_bench.studies.newcomers_measure import NewItems, NewUsers
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.runs.checkpoint import load
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER

Refuses = Callable[[list[str], str], None]
RecordOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def arguments(tiny: list[str]) -> list[str]:
    return [*tiny, "--seeds", "2", "--epochs", "1", "--share", "0.2"]


@pytest.mark.usefixtures("trained_runs")
def test_from_the_arguments_to_the_tables(
    arguments: list[str], capsys: pytest.CaptureFixture[str], record_of: RecordOf
) -> None:
    given = [*arguments, "--models", "soil,bpr", "--histories", "1", "2"]
    assert run.main(["newcomers", *given]) == 0
    record = record_of("newcomers")
    assert list(record["items"]) == ["soil", "bpr", "popularity", "feature kNN"]
    trained = [f"{name}, trained with them" for name in ("soil", "bpr")]
    assert list(record["users"]) == ["soil", "bpr", "popularity", "feature kNN", *trained]
    assert (record["held_out_items"], record["held_out_users"]) == (4, 6)
    for values in record["items"].values():
        assert len(values) == 2
        # As many as the list is long: everything is found.
        assert all(value["recall@20"] == 1 for value in values)
        assert all(0 < value["ndcg@20"] <= 1 for value in values)
    for name, by_size in record["users"].items():
        assert list(by_size) == (["all"] if name in trained else ["1", "2", "all"])
        assert all(0 <= value["recall@20"] <= 1 for values in by_size.values() for value in values)
    assert record["users"]["popularity"]["1"] == record["users"]["popularity"]["all"]
    output = " ".join(capsys.readouterr().out.split())
    assert "New items, 20% held out, tiny, 2 seeds, at most 1 epochs per run" in output
    assert "New users, 20% held out" in output
    # Nothing is run again.
    assert main(given) == 0
    assert record_of("newcomers") == record
    assert capsys.readouterr().out.count("finished before, not run again") == 12


@pytest.mark.usefixtures("trained_runs")
def test_runs_do_not_know_what_is_held_out(arguments: list[str], root: Path, out: Path) -> None:
    assert main([*arguments, "--models", "lightgcn"]) == 0
    data = load_data("tiny", str(root))
    held_out = draw(data[INTERACTS].test_edge_label_index[0].numpy(), 0.2, 0)
    folders = list((out / "runs").iterdir())
    for folder in folders:
        trained = load(folder)
        if trained.data_name.endswith("users-0.2-seed0"):
            assert sorted(set(range(30)) - set(trained.user_id.tolist())) == held_out.tolist()
        if "-items-" in trained.data_name:
            assert len(trained.item_id) == 16
    assert len(folders) == 6


def test_features_are_needed(
    tiny: list[str], arguments: list[str], root: Path, refuses: Refuses
) -> None:
    for path in (root / "tiny").glob("*_feat.npy"):
        path.unlink()
    for command in ("newcomers", "missing"):
        refuses([command, *tiny], "must have features of the items")


def test_draw() -> None:
    nodes = np.array([3, 3, 9, 1, 4, 7, 7, 2, 8, 6, 5])
    found = draw(nodes, 0.3, seed=1)
    assert len(found) == 3
    assert (np.diff(found) > 0).all()
    assert set(found) <= set(nodes)
    assert draw(nodes, 0.3, seed=1).tolist() == found.tolist()
    assert len(draw(nodes, 0.01, seed=0)) == 1


def test_items_are_left_out() -> None:
    data = SyntheticMultimodal(40, 30)[0]
    held_out = np.array([3, 8, 29])
    less = without_items(data, held_out)
    kept = [item for item in range(30) if item not in held_out]
    assert less[ITEM].num_nodes == 27
    assert less[ITEM].id.tolist() == kept
    assert less[ITEM].x_image.equal(data[ITEM].x_image[kept])
    for name in EDGE_INDICES:
        pairs = {(u, i) for u, i in data[INTERACTS][name].t().tolist() if i not in held_out}
        found = {(u, kept[i]) for u, i in less[INTERACTS][name].t().tolist()}
        assert found == pairs
    assert data[ITEM].num_nodes == 30


def test_truth_of_new_items() -> None:
    data = SyntheticMultimodal(40, 30)[0]
    held_out = np.array([3, 8, 29])
    less = without_items(data, held_out)
    # A user without training interactions is dropped.
    less[USER].id = np.array([user for user in range(40) if user != 5])
    less[USER].num_nodes = 39
    new = NewItems.make(data, less, held_out)
    pairs = torch.cat([data[INTERACTS][name] for name in EDGE_INDICES], dim=1).t().tolist()
    expected = {(u, i) for u, i in pairs if i in held_out and u != 5}
    users = less[USER].id
    found = {(users[u], held_out[i]) for u, i in new.task.truth.t().tolist()}
    assert found == expected
    assert new.features["text"].equal(data[ITEM].x_text[[3, 8, 29]])


def test_histories_of_new_users() -> None:
    data = SyntheticMultimodal(40, 30)[0]
    held_out = np.array([2, 17, 33])
    less = without_users(data, held_out)
    for name in EDGE_INDICES:
        assert not np.isin(less[INTERACTS][name][0], held_out).any()
    new = NewUsers.make(data, less, held_out, seed=0)
    train = {
        number: set(data[INTERACTS].edge_index[1][data[INTERACTS].edge_index[0] == user].tolist())
        for number, user in enumerate(held_out)
    }
    before: dict[int, set[int]] = {number: set() for number in range(3)}
    for size in (1, 2, 3):
        user, item = new.first(size)
        for number in range(3):
            items = set(item[user == number].tolist())
            assert before[number] <= items <= train[number]
            assert len(items) == min(size, len(train[number]))
            before[number] = items
    user, item = new.first(None)
    assert {n: set(item[user == n].tolist()) for n in range(3)} == train
    assert new.task.truth.size(1) == int(
        np.isin(data[INTERACTS].test_edge_label_index[0], held_out).sum()
    )


def test_baselines() -> None:
    """By hand: four items, of which two are new, and one modality."""
    data = SyntheticMultimodal(3, 4, modalities={"image": 2})[0]
    data[ITEM].x_image = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.1]])
    data[USER].id = np.arange(3)
    data[INTERACTS].edge_index = torch.tensor([[0, 1, 1, 2], [0, 0, 1, 1]])
    data[INTERACTS].val_edge_label_index = torch.tensor([[0], [2]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[2, 2], [2, 3]])
    held_out = np.array([2, 3])
    new = NewItems.make(data, without_items(data, held_out), held_out)
    # Item 3 is most like item 0, item 2 like both, of which the first comes first: equally popular.
    # User 0 has item 0, which is more like item 3; user 2 finds both new items in any order.
    found = new.baselines(k=1)
    assert found["popularity"] == {"recall@20": 1, "ndcg@20": pytest.approx(1)}
    expected = (1 / np.log2(3) + 1) / 2
    assert found["feature kNN"] == {"recall@20": 1, "ndcg@20": pytest.approx(expected)}
    # Of both neighbours, item 1 is less popular without user 1.
    less = without_items(data, held_out)
    less[INTERACTS].edge_index = torch.tensor([[0, 1, 2], [0, 0, 1]])
    found = NewItems.make(data, less, held_out).baselines(k=2)
    # Item 2: (2 + 1) / 2, item 3: nearly 2.
    assert found["popularity"]["ndcg@20"] == pytest.approx(expected)


def test_report_of_one_seed() -> None:
    value = {"recall@20": 0.25, "ndcg@20": 0.125}
    record = {
        "dataset": "tiny",
        "seeds": 1,
        "epochs": None,
        "share": 0.1,
        "k": 20,
        "held_out_items": 100,
        "held_out_users": 6,
        "items": {"soil": [value]},
        "users": {"soil": {"1": [value], "all": [value]}, "x": {"all": [value]}},
    }
    items, users = reports(record)
    assert items.rows == [["soil", "0.2500", "0.1250"]]
    assert items.notes[0].startswith("100 items")
    assert items.notes[0].endswith("0.2000")
    assert users.columns == ["model", "1 known", "all known"]
    assert users.rows == [["soil", "0.2500", "0.2500"], ["x", "-", "0.2500"]]
    assert users.title == "New users, 10% held out, tiny, one seed"
