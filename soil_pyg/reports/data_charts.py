"""Charts of the data and of groups of users or items."""

from torch import Tensor

from soil_pyg.ranking.groups import Groups
from soil_pyg.reports import chart
from soil_pyg.reports.baseline import NAME
from soil_pyg.reports.chart import MAX_SERIES, PATTERNS, Chart, Share
from soil_pyg.reports.runs import Summary
from soil_pyg.reports.statistics import degree_tail

MAX_MARKERS = 30
TABLE_ROWS = 20


def group_bars(
    chart_id: str,
    title: str,
    axes: tuple[str, str],
    groups: Groups,
    values: dict[str, list[Summary]],
    note: str,
    baseline: list[float] | None = None,
) -> Chart:
    """Returns a bar chart of values, per series and group, in groups by a count, with the values of
    popularity as a line. The axes are the titles of the count and of the value.
    """
    names = [f"{low:,}" if low == high else f"{low:,}\u2013{high:,}" for low, high in groups.bounds]
    pattern = {"fillmode": "overlay", "fgcolor": "var(--surface)", "size": 7, "solidity": 0.25}
    traces = [
        {
            "type": "bar",
            "name": chart.escaped(label),
            "x": names,
            "y": [summary.mean for summary in summaries],
            "error_y": chart.error_bars(summaries),
            "customdata": groups.size,
            "marker": {
                "color": chart.series_color(place),
                "pattern": {"shape": PATTERNS[place], **pattern},
            },
            "hovertemplate": "%{y:.4f} (%{customdata:,})",
        }
        for place, (label, summaries) in enumerate(list(values.items())[:MAX_SERIES])
    ]
    columns = [axes[0], "Group size", *values]
    rows = [
        [name, number, *(summaries[place] for summaries in values.values())]
        for place, (name, number) in enumerate(zip(names, groups.size, strict=True))
    ]
    if baseline is not None:
        traces.append(chart.baseline(NAME, names, baseline))
        columns.append(NAME)
        rows = [[*row, value] for row, value in zip(rows, baseline, strict=True)]
    layout = {
        "xaxis": chart.axis(axes[0], type="category", showgrid=False),
        "yaxis": chart.axis(axes[1], rangemode="tozero"),
        "hovermode": "x unified",
        "barmode": "group",
        "showlegend": len(traces) > 1,
    }
    return Chart(chart_id, title, traces, layout, columns, rows, note)


def degree_tails(user_degree: Tensor, item_degree: Tensor) -> Chart:
    """Returns a chart of the shares of users and items with at least a number of training
    interactions.
    """
    tails = {"Users": degree_tail(user_degree), "Items": degree_tail(item_degree)}
    traces, rows = [], []
    for place, (name, (degree, share)) in enumerate(tails.items()):
        percent = [100 * value for value in share]
        mode = "lines+markers" if len(degree) < MAX_MARKERS else "lines"
        trace = chart.line(place, name, degree, percent, "%{y:.3~g}% with at least %{x:,}", mode)
        trace["line"]["shape"] = "vh"
        traces.append(trace)
        shown = range(0, len(degree), max(1, len(degree) // TABLE_ROWS))
        rows += [[name, degree[i], Share(share[i])] for i in shown]
    layout = {
        "xaxis": chart.log_axis("Training interactions", traces[0]["x"] + traces[1]["x"]),
        "yaxis": chart.log_axis("% with at least this number", traces[0]["y"] + traces[1]["y"]),
        "hovermode": "closest",
        "showlegend": True,
    }
    title, columns = "Interactions per user and per item", ["Of", "At least", "Share"]
    note = "Both axes are logarithmic. The table lists about 20 points per line."
    return Chart("degrees", title, traces, layout, columns, rows, note)


def missing_modalities(missing: dict[str, int], num_items: int) -> Chart:
    """Returns a chart of the share of items without each modality."""
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [count / num_items for count in missing.values()],
        "y": [chart.wrapped(name) for name in missing],
        "customdata": list(missing.values()),
        "marker": {"color": chart.series_color(0)},
        "texttemplate": "%{x:.1%}",
        "textposition": "auto",
        "hovertemplate": "%{customdata:,} items<extra></extra>",
    }
    layout = {
        "xaxis": chart.axis(
            "Share of items without the modality", tickformat="~p", rangemode="tozero"
        ),
        "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False},
        "bargap": 0.45,
        "height": 120 + 44 * len(missing),
    }
    rows = [[name, count, Share(count / num_items)] for name, count in missing.items()]
    columns = ["Modality", "Items without it", "Share"]
    return Chart("missing", "Missing modalities", [trace], layout, columns, rows)
