"""The charts of runs: metrics over settings and list lengths, and learning curves."""

from collections.abc import Sequence

from soil_pyg.reports.chart import (
    MAX_SERIES,
    Chart,
    error_bars,
    label_at,
    line_style,
    log_axis,
    plain,
    series_color,
    vertical_line,
    wrapped,
)
from soil_pyg.reports.runs import Run, RunGroup

SPLITS = {"val": "Validation", "test": "Test"}


def comparison(groups: Sequence[RunGroup], split: str, metric: str) -> Chart:
    """Returns a metric of each group of runs with error bars.

    Args:
        groups (sequence of RunGroup): The groups, the best first.
        split (str): :obj:`"val"` or :obj:`"test"`.
        metric (str): The metric.
    """
    pairs = [(group, group.summary(split, metric)) for group in groups]
    known = [(group, summary) for group, summary in pairs if summary is not None]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [summary.mean for _, summary in known],
        "y": [wrapped(group.label) for group, _ in known],
        "error_x": error_bars([summary for _, summary in known]),
        "marker": {"color": series_color(0), "size": 10},
        "hovertemplate": "%{x:.4f}<extra>%{y}</extra>",
    }
    layout = {
        "xaxis": {"title": {"text": f"{SPLITS[split]} {metric}"}},
        "yaxis": {"autorange": "reversed", "type": "category", "showgrid": True},
        "height": 130 + 44 * len(known),
    }
    rows = [[group.label, summary, len(group.runs)] for group, summary in known]
    return Chart(
        "comparison",
        f"{SPLITS[split]} {metric} by settings",
        {"data": [trace], "layout": layout},
        ["Settings", metric, "Runs"],
        rows,
        "Best validation metric first.",
    )


def by_list_length(groups: Sequence[RunGroup], split: str, name: str, ks: Sequence[int]) -> Chart:
    """Returns a metric against the length of the list: of one group of runs on every split that it
    was evaluated on, of several on one.

    Args:
        groups (sequence of RunGroup): The groups.
        split (str): The split to compare several groups on.
        name (str): The name of the metric, without the length.
        ks (sequence of int): The lengths.
    """
    if len(groups) == 1:
        known_splits = [shown for shown in SPLITS if groups[0].runs[0].content[shown]]
        lines = [(SPLITS[shown], groups[0], shown) for shown in known_splits]
    else:
        lines = [(group.label, group, split) for group in groups[:MAX_SERIES]]
    traces, rows = [], []
    for place, (label, group, shown) in enumerate(lines):
        pairs = [(k, group.summary(shown, f"{name}@{k}")) for k in ks]
        known = [(k, summary) for k, summary in pairs if summary is not None]
        rows += [[label, k, summary] for k, summary in known]
        summaries = [summary for _, summary in known]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain(label),
                "x": [str(k) for k, _ in known],
                "y": [summary.mean for summary in summaries],
                "error_y": error_bars(summaries),
                **line_style(place),
                "hovertemplate": "%{y:.4f}",
            }
        )
    layout = {
        "xaxis": {"title": {"text": "Length of the list k"}, "type": "category"},
        "yaxis": {"title": {"text": f"{name}@k"}, "rangemode": "tozero"},
        "hovermode": "x unified",
    }
    title = {"recall": "Recall", "ndcg": "NDCG"}.get(name, name)
    return Chart(
        f"{name}-by-k",
        f"{title} by length of the list",
        {"data": traces, "layout": layout},
        ["Runs", "k", f"{name}@k"],
        rows,
    )


def loss_terms(run: Run) -> Chart | None:
    """Returns the terms of the loss against the epoch, or :obj:`None` for an untrained model.

    Args:
        run (Run): The run.
    """
    history = run.content["history"]
    if not history:
        return None
    names = list(history[0]["loss"])
    epochs = [entry["epoch"] for entry in history]
    values = {name: [entry["loss"].get(name) for entry in history] for name in names}
    if len(names) > 1:
        values["sum"] = [sum(entry["loss"].values()) for entry in history]
    traces = [
        {
            "type": "scatter",
            "mode": "lines" if len(epochs) > 1 else "markers",
            "name": plain(name),
            "x": epochs,
            "y": terms,
            **line_style(place),
            "hovertemplate": "%{y:.4g}",
        }
        for place, (name, terms) in enumerate(values.items())
    ]
    every = [term for terms in values.values() for term in terms]
    is_positive = all(term is not None and term > 0 for term in every)
    best = run.content["best_epoch"]
    layout = {
        "xaxis": {"title": {"text": "Epoch"}, "rangemode": "tozero"},
        "yaxis": log_axis("Loss", every) if is_positive else {"title": {"text": "Loss"}},
        "hovermode": "x unified",
        "showlegend": True,
        "shapes": [vertical_line(best)],
        "annotations": [label_at(best, f"best epoch {best}")],
    }
    rows = [[epoch, *terms] for epoch, *terms in zip(epochs, *values.values(), strict=True)]
    return Chart(
        "loss-terms",
        "Terms of the loss",
        {"data": traces, "layout": layout},
        ["Epoch", *values],
        rows,
        "Means over the batches of an epoch, weighted as they are summed"
        + (", on a logarithmic axis." if is_positive else "."),
    )


def validation_curves(groups: Sequence[RunGroup], metric: str) -> Chart | None:
    """Returns the validation metric of every run against the epoch, the best epochs marked, or
    :obj:`None` if no run was trained.

    Args:
        groups (sequence of RunGroup): The groups.
        metric (str): The metric.
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
            shared = {"type": "scatter", "legendgroup": str(place), "hoverinfo": "skip"}
            traces.append(
                {
                    **shared,
                    "mode": "lines" if len(epochs) > 1 else "markers",
                    "name": plain(group.label),
                    "x": epochs,
                    "y": values,
                    "showlegend": number == 0 and len(groups) > 1,
                    **line_style(place),
                    "hoverinfo": "all",
                    "hovertemplate": f"%{{y:.4f}}<extra>{plain(label)}</extra>",
                }
            )
            if best in epochs:
                mark = {"color": series_color(place), "symbol": "star", "size": 14}
                mark["line"] = {"color": "var(--surface)", "width": 1}
                traces.append(
                    {
                        **shared,
                        "mode": "markers",
                        "name": "best epoch",
                        "x": [best],
                        "y": [values[epochs.index(best)]],
                        "showlegend": False,
                        "marker": mark,
                    }
                )
            rows += [
                [label, epoch, value, "best" if epoch == best else ""]
                for epoch, value in zip(epochs, values, strict=True)
            ]
    if not traces:
        return None
    layout = {
        "xaxis": {"title": {"text": "Epoch"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"Validation {metric}"}},
        "hovermode": "closest",
    }
    return Chart(
        "validation-curves",
        f"Validation {metric}",
        {"data": traces, "layout": layout},
        ["Run", "Epoch", metric, "Best epoch"],
        rows,
        "A star marks the epoch whose weights were kept.",
    )
