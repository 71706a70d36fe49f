"""Charts of runs: metrics by settings and by list length, and learning curves."""

from collections.abc import Sequence

from soil_pyg.reports import chart
from soil_pyg.reports.baseline import NAME, Baseline
from soil_pyg.reports.chart import MAX_SERIES, Chart
from soil_pyg.reports.runs import Run, RunGroup
from soil_pyg.typing import HELD_OUT_SPLITS


def comparison(
    groups: Sequence[RunGroup], split: str, metric: str, baseline: Baseline | None = None
) -> Chart:
    """Returns a chart of a metric of a split with error bars per group of runs, the best first, and
    a line at that of popularity.
    """
    pairs = [(group, group.summary(split, metric)) for group in groups]
    known = [(group, summary) for group, summary in pairs if summary is not None]
    title = f"{split.capitalize()} {metric}"
    labels = [chart.wrapped(group.label) for group, _ in known]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [summary.mean for _, summary in known],
        "y": labels,
        "error_x": chart.error_bars([summary for _, summary in known]),
        "marker": {"color": chart.series_color(0), "size": 10},
        "hovertemplate": "%{x:.4f}<extra>%{y}</extra>",
        "showlegend": False,
    }
    traces = [trace]
    reference = metric_of(baseline, split, metric)
    if reference is not None:
        line = chart.baseline(NAME, [reference] * len(known), labels)
        line["marker"]["symbol"] = "line-ns"
        traces.append({**line, "hovertemplate": "%{x:.4f}", "showlegend": True})
    layout = {
        "xaxis": chart.axis(title),
        "yaxis": {"autorange": "reversed", "type": "category", "showgrid": True},
        "height": 130 + 44 * len(known),
    }
    rows = [[group.label, summary, len(group.runs)] for group, summary in known]
    columns = ["Settings", metric, "Runs"]
    note = "The settings with the best val metric come first."
    return Chart("comparison", f"{title} by settings", traces, layout, columns, rows, note)


def by_list_length(
    groups: Sequence[RunGroup],
    split: str,
    name: str,
    ks: Sequence[int],
    baseline: Baseline | None = None,
) -> Chart:
    """Returns a chart of a metric, named without its list length, by the list length. It shows
    several groups of runs on one split, or a single group on each split that it was evaluated on,
    and popularity on the split.
    """
    if len(groups) == 1:
        known_splits = [shown for shown in HELD_OUT_SPLITS if groups[0].runs[0].content[shown]]
        lines = [(shown, groups[0], shown) for shown in known_splits]
    else:
        lines = [(group.label, group, split) for group in groups[:MAX_SERIES]]
    traces, rows = [], []
    for place, (label, group, shown) in enumerate(lines):
        pairs = [(k, group.summary(shown, f"{name}@{k}")) for k in ks]
        known = [(k, summary) for k, summary in pairs if summary is not None]
        rows += [[label, k, summary] for k, summary in known]
        summaries = [summary for _, summary in known]
        x, y = [str(k) for k, _ in known], [summary.mean for summary in summaries]
        traces.append(
            chart.line(place, label, x, y, "%{y:.4f}", error_y=chart.error_bars(summaries))
        )
    pairs_of_baseline = [(k, metric_of(baseline, split, f"{name}@{k}")) for k in ks]
    references = [(k, value) for k, value in pairs_of_baseline if value is not None]
    if references:
        label = f"{NAME} on {split}" if len(groups) == 1 else NAME
        x, values = [str(k) for k, _ in references], [value for _, value in references]
        traces.append(chart.baseline(label, x, values))
        rows += [[label, k, value] for k, value in references]
    layout = {
        "xaxis": chart.axis("List length k", type="category"),
        "yaxis": chart.axis(f"{name}@k", rangemode="tozero"),
        "hovermode": "x unified",
    }
    title = {"recall": "Recall", "ndcg": "NDCG"}.get(name, name)
    columns = ["Split" if len(groups) == 1 else "Settings", "k", f"{name}@k"]
    return Chart(f"{name}-by-k", f"{title} by list length", traces, layout, columns, rows)


def loss_terms(run: Run) -> Chart | None:
    """Returns a chart of the loss terms by epoch, or :obj:`None` for a model without training."""
    history = run.content["history"]
    if not history:
        return None
    epochs = [entry["epoch"] for entry in history]
    values = {name: [entry["loss"].get(name) for entry in history] for name in history[0]["loss"]}
    if len(values) > 1:
        values["sum"] = [sum(entry["loss"].values()) for entry in history]
    mode = "lines" if len(epochs) > 1 else "markers"
    traces = [
        chart.line(place, name, epochs, terms, "%{y:.4g}", mode)
        for place, (name, terms) in enumerate(values.items())
    ]
    every = [term for terms in values.values() for term in terms]
    is_positive = all(term is not None and term > 0 for term in every)
    best = run.content["best_epoch"]
    layout = {
        "xaxis": chart.axis("Epoch", rangemode="tozero"),
        "yaxis": chart.log_axis("Loss", every) if is_positive else chart.axis("Loss"),
        "hovermode": "x unified",
        "showlegend": True,
        **chart.marked_at(best),
    }
    rows = [[epoch, *terms] for epoch, *terms in zip(epochs, *values.values(), strict=True)]
    note = "Weighted terms, averaged over the batches of an epoch"
    note += ", on a logarithmic axis" if is_positive else ""
    note += f". The vertical line marks the best epoch, {best}."
    columns = ["Epoch", *values]
    return Chart("loss-terms", "Loss terms", traces, layout, columns, rows, note)


def validation_curves(
    groups: Sequence[RunGroup], metric: str, baseline: Baseline | None = None
) -> Chart | None:
    """Returns a chart of the val metric of each run by epoch with the best epochs marked, and that
    of popularity, or :obj:`None` if no run was trained.
    """
    traces, rows = [], []
    for place, group in enumerate(groups[:MAX_SERIES]):
        trained = [run for run in group.runs if run.content["history"]]
        for number, run in enumerate(trained):
            history = run.content["history"]
            epochs = [entry["epoch"] for entry in history]
            values = [entry["val"].get(metric) for entry in history]
            best = run.content["best_epoch"]
            label = group.label if len(group.runs) == 1 else f"{group.label}, seed {run.seed}"
            hover = f"%{{y:.4f}}<extra>{chart.escaped(label)}</extra>"
            mode = "lines" if len(epochs) > 1 else "markers"
            trace = chart.line(
                place, group.label, epochs, values, hover, mode, legendgroup=str(place)
            )
            traces.append({**trace, "showlegend": number == 0 and len(groups) > 1})
            if best in epochs:
                traces.append(
                    {
                        "type": "scatter",
                        "legendgroup": str(place),
                        "hoverinfo": "skip",
                        "mode": "markers",
                        "name": "best epoch",
                        "x": [best],
                        "y": [values[epochs.index(best)]],
                        "showlegend": False,
                        "marker": {
                            **{"color": chart.series_color(place), "symbol": "star", "size": 14},
                            "line": {"color": "var(--surface)", "width": 1},
                        },
                    }
                )
            rows += [
                [label, epoch, value, "best" if epoch == best else ""]
                for epoch, value in zip(epochs, values, strict=True)
            ]
    if not traces:
        return None
    reference = metric_of(baseline, "val", metric)
    if reference is not None:
        last = max(epoch for _, epoch, *_ in rows)
        line = chart.baseline(NAME, [0, last], [reference] * 2)
        traces.append({**line, "mode": "lines", "showlegend": True})
    layout = {
        "xaxis": chart.axis("Epoch", rangemode="tozero"),
        "yaxis": chart.axis(f"Val {metric}"),
        "hovermode": "closest",
    }
    columns = ["Run", "Epoch", metric, "Best epoch"]
    note = "A star marks the epoch whose weights were kept."
    return Chart("val-curves", f"Val {metric}", traces, layout, columns, rows, note)


def metric_of(baseline: Baseline | None, split: str, metric: str) -> float | None:
    """Returns a metric of popularity, or :obj:`None` if it is not known."""
    return None if baseline is None else baseline.metrics.get(split, {}).get(metric)
