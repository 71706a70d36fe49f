from pathlib import Path
from statistics import fmean, stdev

import pytest
from torch_geometric.data import HeteroData

from soil_pyg import load
from soil_pyg.reports.analysis import MEASURES, analyse
from soil_pyg.reports.ranking_statistics import ranking_statistics, recall_of_users
from soil_pyg.reports.runs import find_runs, group_runs
from soil_pyg.typing import INTERACTS


def test_means_over_runs(runs: Path, shop_data: HeteroData) -> None:
    groups = group_runs(find_runs(runs)[0])
    test = shop_data[INTERACTS].test_edge_label_index
    found = analyse(groups, shop_data, test, [5, 20], 10)
    assert set(found.measures["gini"]) == {"SOIL k=10", "SOIL k=4", "Popularity"}
    lists = []
    for seed in (0, 1):
        trained = load(runs / f"soil {seed}")
        lists.append(
            ranking_statistics(trained.user_emb, trained.item_emb, shop_data, test, [5, 10, 20])
        )
    for name in MEASURES:
        for k in (5, 10, 20):
            values = [getattr(one, name)[k] for one in lists]
            summary = found.measures[name]["SOIL k=10"][k]
            assert summary.mean == pytest.approx(fmean(values))
            assert summary.std == pytest.approx(stdev(values))
    means = [found.popularity.mean(one.place < 10) for one in lists]
    expected = [fmean(values) for values in zip(*means, strict=True)]
    got = [summary.mean for summary in found.recall_by_popularity["SOIL k=10"]]
    assert got == pytest.approx(expected)
    means = [found.history.mean(recall_of_users(one.place, test, 10)) for one in lists]
    expected = [fmean(values) for values in zip(*means, strict=True)]
    got = [summary.mean for summary in found.recall_by_history["SOIL k=10"]]
    assert got == pytest.approx(expected)
    assert found.recall_by_history["Popularity"][0].std is None
    # Over all groups it is the metric of the run.
    sizes = found.history.size
    total = sum(
        size * summary.mean
        for size, summary in zip(sizes, found.recall_by_history["Popularity"], strict=True)
    )
    expected_recall = load(runs / "popularity").metrics["test"]["recall@10"]
    assert total / sum(sizes) == pytest.approx(expected_recall)
