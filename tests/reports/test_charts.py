from pathlib import Path
from typing import Any

import pytest
import torch

from soil_pyg.ranking.groups import quantile_groups
from soil_pyg.reports.baseline import Baseline
from soil_pyg.reports.chart import Chart, Share, Table, error_bars, escaped, log_axis, wrapped
from soil_pyg.reports.data_charts import degree_tails, group_bars, missing_modalities
from soil_pyg.reports.run_charts import by_list_length, comparison, loss_terms, validation_curves
from soil_pyg.reports.runs import Run, RunGroup, Summary, find_runs, group_runs

graph_objects = pytest.importorskip("plotly.graph_objects")


def check(chart: Chart | None) -> Chart:
    """Has plotly check every name and value."""
    assert chart is not None
    graph_objects.Figure(chart.spec)
    assert all(len(row) == len(chart.columns) for row in chart.rows)
    return chart


@pytest.fixture
def groups(runs: Path) -> list[RunGroup]:
    return group_runs(find_runs(runs)[0])


def test_comparison(groups: list[RunGroup]) -> None:
    chart = check(comparison(groups, "test", "recall@20"))
    (trace,) = chart.spec["data"]
    assert trace["x"] == [group.summary("test", "recall@20").mean for group in groups]
    assert trace["error_x"]["visible"]
    stds = {row[0]: row[1].std for row in chart.rows}
    assert (stds["SOIL k=10"] is None, stds["SOIL k=4"]) == (False, None)


def test_metrics_by_list_length(groups: list[RunGroup]) -> None:
    chart = check(by_list_length(groups, "test", "ndcg", [5, 20]))
    assert [trace["name"] for trace in chart.spec["data"]] == [group.label for group in groups]
    trace = chart.spec["data"][0]
    assert trace["x"] == ["5", "20"]
    assert trace["y"] == [groups[0].summary("test", f"ndcg@{k}").mean for k in (5, 20)]


def test_splits_of_one_group(groups: list[RunGroup]) -> None:
    chart = check(by_list_length(groups[:1], "test", "recall", [5]))
    assert [trace["name"] for trace in chart.spec["data"]] == ["val", "test"]
    run = Run(Path("run"), {**groups[0].runs[0].content, "test": {}})
    chart = check(by_list_length([RunGroup("a", [run])], "val", "recall", [5]))
    assert [trace["name"] for trace in chart.spec["data"]] == ["val"]


BASELINE = Baseline({split: {"recall@5": 0.25} for split in ("val", "test")}, [0.5, 0.0], [0.75])


def test_popularity_is_a_line_in_every_chart(groups: list[RunGroup]) -> None:
    def line(chart: Chart) -> dict[str, Any]:
        (found,) = [t for t in check(chart).traces if "Popularity" in t.get("name", "")]
        return found

    trained = [group for group in groups if group.label != "Popularity"]
    assert line(comparison(trained, "test", "recall@5", BASELINE))["x"] == [0.25] * len(trained)
    found = line(by_list_length(trained, "val", "recall", [5, 20], BASELINE))
    assert (found["x"], found["y"]) == (["5"], [0.25])
    found = line(by_list_length(trained[:1], "test", "recall", [5], BASELINE))
    assert found["name"] == "Popularity on test"
    curves = validation_curves(trained, "recall@5", BASELINE)
    assert curves is not None
    assert line(curves)["y"] == [0.25, 0.25]
    bars = group_bars(
        *("bars", "Bars", ("degree", "recall"), quantile_groups(torch.tensor([1, 1, 7, 7]), 2)),
        *({"a": [Summary(0.5, None)] * 2}, "Note.", BASELINE.by_popularity),
    )
    assert line(bars)["y"] == [0.5, 0.0]
    assert [row[-1] for row in bars.rows] == [0.5, 0.0]


def test_error_bars_of_intervals() -> None:
    bars = error_bars([Summary(0.5, None, (0.375, 0.75)), Summary(0.5, 0.25), Summary(0.5, None)])
    assert bars["arrayminus"] == [0.125, 0.25, 0.0]
    assert bars["array"] == [0.25, 0.25, 0.0]
    assert bars["visible"]
    assert not error_bars([Summary(0.5, None)])["visible"]


def test_loss_terms(content: dict[str, Any]) -> None:
    chart = check(loss_terms(Run(Path("run"), content)))
    terms = content["history"][0]["loss"]
    assert [trace["name"] for trace in chart.spec["data"]] == [*terms, "sum"]
    assert chart.rows[0] == [1, *terms.values(), pytest.approx(sum(terms.values()))]
    assert chart.spec["layout"]["yaxis"]["type"] == "log"
    (line,) = chart.spec["layout"]["shapes"]
    assert line["x0"] == line["x1"] == content["best_epoch"]
    assert f"best epoch, {content['best_epoch']}." in chart.note
    content["history"][0]["loss"]["bpr"] = -1.0
    chart = check(loss_terms(Run(Path("run"), content)))
    assert "type" not in chart.spec["layout"]["yaxis"]
    assert loss_terms(Run(Path("run"), {**content, "history": []})) is None


def test_validation_curves(groups: list[RunGroup]) -> None:
    chart = check(validation_curves(groups, "recall@20"))
    lines = [trace for trace in chart.spec["data"] if trace["name"] != "best epoch"]
    marks = [trace for trace in chart.spec["data"] if trace["name"] == "best epoch"]
    assert len(lines) == len(marks) == 3
    for line, mark in zip(lines, marks, strict=True):
        assert mark["y"] == [max(line["y"])]
        assert mark["x"] == [line["x"][line["y"].index(max(line["y"]))]]
    assert sum(trace["showlegend"] for trace in lines) == 2
    popularity = [group for group in groups if group.label == "Popularity"]
    assert validation_curves(popularity, "recall@20") is None


def test_bars_of_groups() -> None:
    groups = quantile_groups(torch.tensor([1, 1, 2, 3000]), 2)
    values = {"a": [Summary(0.5, 0.1), Summary(0.25, None)], "<b>": [Summary(0.5, None)] * 2}
    chart = check(group_bars("bars", "Bars", ("degree", "recall"), groups, values, "Note."))
    assert [row[0] for row in chart.rows] == ["1", "2\u20133,000"]
    assert chart.rows[0][1:] == [2, values["a"][0], values["<b>"][0]]
    first, second = chart.spec["data"]
    assert first["error_y"]["array"] == [0.1, 0.0]
    assert not second["error_y"]["visible"]
    assert second["name"] == "&lt;b&gt;"


def test_degrees() -> None:
    users, items = torch.tensor([1, 2, 2]), torch.cat([torch.zeros(5), torch.arange(95)]).long()
    chart = check(degree_tails(users, items))
    first, second = chart.spec["data"]
    assert (first["x"], first["y"]) == ([1, 2], [100.0, pytest.approx(200 / 3)])
    assert second["y"][0] == pytest.approx(94.0)
    assert len(chart.rows) < 30


def test_missing_modalities() -> None:
    chart = check(missing_modalities({"image": 1, "audio <i>": 2}, 8))
    assert chart.spec["data"][0]["x"] == [0.125, 0.25]
    assert chart.spec["data"][0]["y"] == ["image", "audio &lt;i&gt;"]


def test_ticks_of_logarithmic_axes() -> None:
    assert log_axis("x", [1, 40])["ticktext"][:6] == ["1", "2", "5", "10", "20", "50"]
    ticks = log_axis("x", [1e-5, 10])["tickvals"]
    assert ticks == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10])


def test_texts() -> None:
    assert escaped('<b>&"') == '&lt;b&gt;&amp;"'
    assert wrapped("SOIL profile=released k=10") == "SOIL<br>profile=released<br>k=10"


def test_columns_of_numbers() -> None:
    rows = [["a", 1, Summary(0.5, 0.1), "x", None], ["b", None, 2.0, 3, None]]
    table = Table("Values", ["name", "n", "mean", "mixed", "none"], rows)
    assert [table.is_number(column) for column in range(5)] == [False, True, True, False, False]
    assert Table("Shares", ["share"], [[Share(0.5)]]).is_number(0)
    assert not Table("Empty", ["n"], []).is_number(0)
