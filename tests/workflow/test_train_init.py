"""Next week: data that has grown, and a run that starts from that of last week."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import soil_pyg
from soil_pyg.reports.runs import find_runs
from soil_pyg.runs import trained_pairs, warm_start
from soil_pyg.training.early_stopping import EarlyStopping
from soil_pyg.typing import INTERACTS, TRAINED_EARLIER
from soil_pyg.workflow.run_data import load_run_data

NUM_USERS, NUM_ITEMS = 80, 60
CHANCE = 10 / 47
"""The recall at 10 of a random ranking of the items without training pairs, about 13 of 60."""
OPTIONS: dict[str, Any] = {"model": "bpr", "device": "cpu", "progress": False, "lr": 0.05}


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random pairs, which nobody can predict: a run of last week, and the data of the next one with
    a split of its own and with that of last week.
    """
    folder = tmp_path_factory.mktemp("weeks")
    rng = np.random.default_rng(0)
    items = [rng.permutation(NUM_ITEMS)[:16] for _ in range(NUM_USERS)]
    rows = [(user, item) for user, own in enumerate(items) for item in own]
    frame = pd.DataFrame(rows, columns=["user", "item"])
    is_old = np.tile(np.arange(16) < 12, NUM_USERS)
    soil_pyg.prepare(frame[is_old], folder / "week", name="shop")
    soil_pyg.prepare(frame, folder / "anew", name="shop")
    soil_pyg.prepare(frame, folder / "like", name="shop", like=folder / "week")
    soil_pyg.train(folder / "week", folder / "run", epochs=40, patience=40, **OPTIONS)
    return folder


def recall(weeks: Path, data: str, out: Path) -> float:
    result = soil_pyg.train(weeks / data, out, init=weeks / "run", epochs=1, **OPTIONS)
    return result.test["recall@10"]


def test_a_new_split_shows_what_was_learned_by_heart(
    weeks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("soil_pyg.workflow.train.without_trained_pairs", lambda data, run: (data, {}))
        patch.setattr(warm_start, "count_trained_pairs", lambda data, run: {})
        assert recall(weeks, "anew", tmp_path / "leak") > 2 * CHANCE
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        assert recall(weeks, "like", tmp_path / "like") < 1.3 * CHANCE
        assert caplog.text == ""
        assert recall(weeks, "anew", tmp_path / "anew") < 1.3 * CHANCE
    known, later = (soil_pyg.load_data_folder(weeks / name) for name in ("week", "anew"))
    trained_on = set(map(tuple, known[INTERACTS].edge_index.t().tolist()))
    left_out = [
        sum(tuple(pair) in trained_on for pair in later[INTERACTS][name].t().tolist())
        for name in ("val_edge_label_index", "test_edge_label_index")
    ]
    settings = soil_pyg.load(tmp_path / "anew").settings
    assert [settings["left_out_val"], settings["left_out_test"]] == left_out
    assert all(f"{number} " in caplog.text for number in left_out)
    assert "left_out_test" not in soil_pyg.load(tmp_path / "like").settings


@pytest.fixture
def run(weeks: Path, tmp_path: Path) -> Path:
    recall(weeks, "anew", tmp_path / "new")
    return tmp_path / "new"


def test_later_steps_leave_out_the_same_pairs(weeks: Path, run: Path) -> None:
    trained = soil_pyg.load(run)
    table = soil_pyg.evaluate(run)
    assert dict(zip(table["metric"], table["test"], strict=True)) == trained.metrics["test"]
    store = load_run_data(trained)[INTERACTS]
    left_out = {(u, i) for u, i in store[TRAINED_EARLIER].t().tolist()}
    assert len(left_out) == trained.settings["left_out_val"] + trained.settings["left_out_test"]
    top = soil_pyg.recommend(run, k=NUM_ITEMS, exclude_seen="train")
    assert not left_out & set(zip(top["user"], top["item"], strict=True))
    assert len(top) == NUM_USERS * NUM_ITEMS - store.edge_index.size(1) - len(left_out)


def test_runs_that_were_tested_on_fewer_pairs_are_told_apart(
    weeks: Path, run: Path, tmp_path: Path
) -> None:
    soil_pyg.train(weeks / "anew", tmp_path / "whole", epochs=1, **OPTIONS)
    table = soil_pyg.compare([run, tmp_path / "whole"])
    assert table["left_out_test"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match=r"'new' and 'whole'"):
        find_runs(tmp_path)


def test_an_interrupted_run_goes_on_with_the_same_pairs(
    weeks: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"init": weeks / "run", "epochs": 3, **OPTIONS}
    whole = soil_pyg.train(weeks / "anew", tmp_path / "whole", **options)

    def interrupt(stopping: EarlyStopping, result: Any) -> bool:
        if result.epochs == 2:
            raise KeyboardInterrupt
        return False

    with monkeypatch.context() as patch:
        patch.setattr(EarlyStopping, "is_over", interrupt)
        with pytest.raises(KeyboardInterrupt):
            soil_pyg.train(weeks / "anew", tmp_path / "parts", **options)
    parts = soil_pyg.train(weeks / "anew", tmp_path / "parts", **options)
    assert (parts.test, parts.history) == (whole.test, whole.history)
    hashes = [
        trained_pairs.trained_hashes(soil_pyg.load(tmp_path / name)) for name in ("whole", "parts")
    ]
    assert hashes[0].tolist() == hashes[1].tolist()
    # The pairs of last week's run and its own.
    counts = [soil_pyg.load_data_folder(weeks / n)[INTERACTS].edge_index for n in ("week", "anew")]
    union = {tuple(pair) for edge_index in counts for pair in edge_index.t().tolist()}
    assert len(hashes[0]) == len(union)


def test_a_split_that_was_trained_on_is_refused(weeks: Path, tmp_path: Path) -> None:
    data = soil_pyg.load_data_folder(weeks / "week")
    data[INTERACTS].test_edge_label_index = data[INTERACTS].edge_index[:, :50]
    with pytest.raises(ValueError, match=r"'init' \(--init\).*50 of 50"):
        soil_pyg.train(data, tmp_path / "new", init=weeks / "run", epochs=1, **OPTIONS)
    assert not (tmp_path / "new").exists()
