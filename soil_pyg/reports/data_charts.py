"""The charts of data and of groups of it."""

from torch import Tensor

from soil_pyg.reports.chart import (
    MAX_SERIES,
    PATTERNS,
    Chart,
    error_bars,
    line_style,
    log_axis,
    plain,
    series_color,
    wrapped,
)
from soil_pyg.reports.ranking_statistics import Groups
from soil_pyg.reports.runs import Summary
from soil_pyg.reports.statistics import degree_tail
from soil_pyg.reports.table import Share

MAX_MARKERS = 30
TABLE_ROWS = 20


def group_bars(
    chart_id: str,
    title: str,
    axis: tuple[str, str],
    groups: Groups,
    values: dict[str, list[Summary]],
    note: str,
) -> Chart:
    """Returns bars of a value in groups by a count.

    Args:
        chart_id (str): The name of the chart.
        title (str): Its title.
        axis (tuple[str, str]): What the count and what the value is.
        groups (Groups): The groups.
        values (dict[str, list[Summary]]): For each series the value of each group.
        note (str): How to read it.
    """
    names = [f"{low:,}" if low == high else f"{low:,}\u2013{high:,}" for low, high in groups.bounds]
    traces = [
        {
            "type": "bar",
            "name": plain(label),
            "x": names,
            "y": [summary.mean for summary in summaries],
            "error_y": error_bars(summaries),
            "customdata": groups.size,
            "marker": {
                "color": series_color(place),
                "pattern": {
                    "shape": PATTERNS[place],
                    "fillmode": "overlay",
                    "fgcolor": "var(--surface)",
                    "size": 7,
                    "solidity": 0.25,
                },
            },
            "hovertemplate": "%{y:.4f} (%{customdata:,})",
        }
        for place, (label, summaries) in enumerate(list(values.items())[:MAX_SERIES])
    ]
    layout = {
        "xaxis": {"title": {"text": axis[0]}, "type": "category", "showgrid": False},
        "yaxis": {"title": {"text": axis[1]}, "rangemode": "tozero"},
        "hovermode": "x unified",
        "barmode": "group",
    }
    rows = [
        [name, number, *(summaries[place] for summaries in values.values())]
        for place, (name, number) in enumerate(zip(names, groups.size, strict=True))
    ]
    columns = [axis[0], "Size of the group", *values]
    return Chart(chart_id, title, {"data": traces, "layout": layout}, columns, rows, note)


def degree_tails(user_degree: Tensor, item_degree: Tensor) -> Chart:
    """Returns the shares of users and of items with at least so many interactions.

    Args:
        user_degree (Tensor): The number of training interactions of each user.
        item_degree (Tensor): The number of training interactions of each item.
    """
    tails = {"Users": degree_tail(user_degree), "Items": degree_tail(item_degree)}
    traces, rows = [], []
    degrees: list[float] = []
    percents: list[float] = []
    for place, (name, (degree, share)) in enumerate(tails.items()):
        percent = [100 * value for value in share]
        degrees += degree
        percents += percent
        style = line_style(place)
        style["line"]["shape"] = "vh"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(degree) < MAX_MARKERS else "lines",
                "name": name,
                "x": degree,
                "y": percent,
                **style,
                "hovertemplate": "%{y:.3~g}% with at least %{x:,}",
            }
        )
        shown = range(0, len(degree), max(1, len(degree) // TABLE_ROWS))
        rows += [[name, degree[i], Share(share[i])] for i in shown]
    layout = {
        "xaxis": log_axis("Training interactions", degrees),
        "yaxis": log_axis("% with at least as many", percents),
        "hovermode": "closest",
        "showlegend": True,
    }
    return Chart(
        "degrees",
        "Interactions of users and items",
        {"data": traces, "layout": layout},
        ["Of", "At least", "Share"],
        rows,
        "Both axes are logarithmic. The table has up to about 20 points of each line.",
    )


def missing_modalities(missing: dict[str, int], num_items: int) -> Chart:
    """Returns the share of items that lack each modality.

    Args:
        missing (dict[str, int]): The number of items that lack each modality.
        num_items (int): The number of items.
    """
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [count / num_items for count in missing.values()],
        "y": [wrapped(name) for name in missing],
        "customdata": list(missing.values()),
        "marker": {"color": series_color(0)},
        "texttemplate": "%{x:.1%}",
        "textposition": "auto",
        "hovertemplate": "%{customdata:,} items<extra></extra>",
    }
    layout = {
        "xaxis": {
            "title": {"text": "Share of items that lack it"},
            "tickformat": "~p",
            "rangemode": "tozero",
        },
        "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False},
        "bargap": 0.45,
        "height": 120 + 44 * len(missing),
    }
    rows = [[name, count, Share(count / num_items)] for name, count in missing.items()]
    return Chart(
        "missing",
        "Missing modalities",
        {"data": [trace], "layout": layout},
        ["Modality", "Items without it", "Share"],
        rows,
    )
