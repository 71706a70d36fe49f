from pathlib import Path

import pytest
from torch_geometric.data import HeteroData

from soil_pyg import load
from soil_pyg.reports.analysis import analyse
from soil_pyg.reports.runs import find_runs, group_runs
from soil_pyg.typing import INTERACTS


def test_popularity_as_a_run_has_it(runs: Path, shop_data: HeteroData) -> None:
    """A report without a run of popularity shows what one would have."""
    groups = group_runs(find_runs(runs)[0])
    trained = [group for group in groups if group.label == "SOIL k=4"]
    test = shop_data[INTERACTS].test_edge_label_index
    found = analyse(trained, shop_data, test, [5, 20], 10).baseline
    assert found is not None
    metrics = load(runs / "popularity").metrics
    for split in ("val", "test"):
        for name in ("recall@5", "ndcg@10", "recall@20"):
            assert found.metrics[split][name] == pytest.approx(metrics[split][name])
    of_run = analyse([g for g in groups if g.label == "Popularity"], shop_data, test, [5], 10)
    assert of_run.baseline is None
    assert found.by_popularity == [s.mean for s in of_run.recall_by_popularity["Popularity"]]
    assert found.by_history == [s.mean for s in of_run.recall_by_history["Popularity"]]


def test_intervals_of_single_runs(runs: Path, shop_data: HeteroData) -> None:
    groups = group_runs(find_runs(runs)[0])
    test = shop_data[INTERACTS].test_edge_label_index
    found = analyse(groups, shop_data, test, [5, 20], 10).intervals
    assert set(found) == {"SOIL k=4", "Popularity"}
    metrics = load(runs / "k").metrics
    for (split, name), (low, high) in found["SOIL k=4"].items():
        assert low <= metrics[split][name] <= high
    assert {name for _, name in found["SOIL k=4"]} == set(metrics["test"])
