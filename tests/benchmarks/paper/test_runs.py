import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonargparse import ArgumentParser
from rich.console import Console

from soil_bench.paper import runs as paper_runs
from soil_bench.paper.runs import (
    add_graphs,
    best_by_val,
    grid_points,
    heading,
    load_models,
    metric_columns,
    sweep,
    text_of,
)
from soil_bench.runs.arguments import add_run_arguments
from soil_bench.runs.experiment import Experiment, Variant
from soil_bench.runs.results import METRICS
from soil_pyg.typing import SECOND_ORDER

SMALL = Variant("small", "soil", options={"hidden_channels": 4, "k_a": 3})


@pytest.fixture
def experiment(root: Path, tmp_path: Path) -> Experiment:
    parser = ArgumentParser()
    add_run_arguments(parser)
    given = ["--dataset", "tiny", "--root", str(root), "--seeds", "2", "--epochs", "1"]
    arguments = parser.parse_args([*given, "--device", "cpu", "--out", str(tmp_path / "out")])
    return Experiment(arguments, Console(quiet=True))


def test_the_points_of_a_grid_ascend_and_are_distinct() -> None:
    points = [{"a": 1, "b": 5}, {"a": 1, "b": 7}, {"a": 3, "b": 5}, {"a": 3, "b": 7}]
    assert grid_points({"a": [3, 1, 3], "b": [5, 7]}) == points


def test_a_sweep_has_options_means_and_published_values_where_they_belong(
    experiment: Experiment,
    drawn_runs: Callable[[dict[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = SimpleNamespace(published={"tiny": {"recall@20": 0.25}})
    monkeypatch.setattr(paper_runs, "load_config", lambda name: published)
    table = sweep(experiment, "paper", [{"k": 10}, {"k": 15}, {"l_ui": 0.5}])
    assert table["k"].tolist() == [10, 15, 10]
    assert table["l_ui"].tolist() == [0.01, 0.01, 0.5]
    assert table["recall@20 published"].fillna(-1).tolist() == [0.25, -1, -1]
    assert table["ndcg@20 published"].isna().all()
    assert (table["profile"] == "paper").all()
    assert (table["seeds"] == 2).all()
    runs = experiment.run([Variant("", "soil", "paper", {"k": 15})])[0]
    for name in METRICS:
        for column, split in {name: "test", f"val {name}": "val"}.items():
            values = [run[split][name] for run in runs]
            assert table[column][1] == pytest.approx(mean(values))
            assert table[f"{column} std"][1] == pytest.approx(stdev(values))


def test_one_seed_has_no_standard_deviation() -> None:
    run = {split: dict.fromkeys(METRICS, 0.5) for split in ("val", "test")}
    columns = metric_columns([run], {})
    assert columns["recall@20"] == columns["val ndcg@10"] == 0.5
    assert np.isnan(columns["recall@20 std"])
    assert np.isnan(columns["recall@20 published"])


def test_the_choice_is_by_val() -> None:
    table = pd.DataFrame({"recall@20": [3, 1, 2, 0], "val recall@20": [0, 1, 2, 2]})
    assert best_by_val(table, "recall@20") == 2


def test_texts(experiment: Experiment) -> None:
    assert text_of(0.12345, 0.01) == "0.1235 ± 0.0100"
    assert text_of(0.5, 0.25, ".0%", sign="±") == "50%±25%"
    assert text_of(0.5, float("nan"), ".2f") == "0.50"
    head = "SOIL (paper profile) on tiny, "
    deviation = "mean ± standard deviation of 2 seeds"
    assert heading(experiment, "paper") == f"{head}{deviation}, at most 1 epochs per run"
    experiment.num_seeds, experiment.epochs = 1, None
    assert heading(experiment, "paper") == f"{head}one seed"


@pytest.mark.usefixtures("trained_runs")
def test_models_and_graphs_of_finished_runs(experiment: Experiment) -> None:
    experiment.run([SMALL])
    models = load_models(experiment, SMALL)
    folders = [job.folder for job in experiment.jobs(SMALL)]
    assert [trained.folder for trained in models] == folders
    assert models[0].user_emb.size() == (30, 4)
    data = add_graphs(experiment, SMALL)
    count = data[SECOND_ORDER].edge_index[0].bincount()
    assert SECOND_ORDER not in experiment.data.edge_types
    # The released profile pools as many more as there are items of the user.
    assert count.max() > 3
    shutil.rmtree(folders[1])
    with pytest.raises(
        ValueError, match=r"weights of a finished run, .*line of seed 1 from .*\.js"
    ):
        load_models(experiment, SMALL)
