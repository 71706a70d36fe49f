"""Charts and tables of a report, and the styles that charts share."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from soil_pyg.reports.runs import Summary

MAX_SERIES = 6
"""The maximum number of groups of runs per chart. Tables show all groups."""
DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "x"]
PATTERNS = ["", "/", "x", "-", "\\", "+"]
MAX_LABEL = 16
MAX_FINE_DECADES = 2
HEIGHT = 320


@dataclass(frozen=True)
class Share:
    """A share from 0 to 1, shown in percent."""

    value: float


@dataclass(frozen=True)
class Table:
    """A table whose rows start with their headers. The rows :obj:`marked` are highlighted."""

    caption: str
    columns: list[str]
    rows: list[list[Any]]
    marked: frozenset[int] = frozenset()

    def is_number(self, column: int) -> bool:
        """Returns whether a column holds numbers, which are aligned to the right."""
        values = [row[column] for row in self.rows if row[column] is not None]
        return bool(values) and not any(isinstance(value, str) for value in values)


@dataclass(frozen=True)
class Chart:
    """A chart as traces and layout for plotly, with a table of its numbers and a note. In traces
    and layout, a text :obj:`"var(--name)"` is a colour of the page.
    """

    id: str
    title: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        """The figure for plotly."""
        return {"data": self.traces, "layout": self.layout}

    @property
    def height(self) -> int:
        """The height in pixels."""
        return int(self.layout.get("height", HEIGHT))

    @property
    def table(self) -> Table:
        """The numbers of the chart."""
        return Table(self.title, self.columns, self.rows)


def line(
    place: int,
    name: str,
    x: Sequence[Any],
    y: Sequence[Any],
    hover: str,
    mode: str = "lines+markers",
    **options: Any,
) -> dict[str, Any]:
    """Returns the trace of a series as a line. The index of the series selects its colour, dashes
    and symbol; the options are further attributes of the trace.
    """
    color = series_color(place)
    return {
        "type": "scatter",
        "mode": mode,
        "name": escaped(name),
        "x": x,
        "y": y,
        "line": {"color": color, "dash": DASHES[place % len(DASHES)], "width": 2},
        "marker": {"color": color, "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 7},
        "hovertemplate": hover,
        **options,
    }


def error_bars(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Returns error bars of one standard deviation, or of the interval, if any value has one."""
    bounds = [_bounds(summary) for summary in summaries]
    return {
        **{"type": "data", "visible": any(map(any, bounds)), "symmetric": False},
        **{"array": [above for _, above in bounds], "arrayminus": [below for below, _ in bounds]},
        **{"color": "var(--text)", "thickness": 1.5, "width": 4},
    }


def baseline(name: str, x: Sequence[Any], y: Sequence[Any]) -> dict[str, Any]:
    """Returns the trace of a reference as a thin line, with a short stroke per value."""
    return {
        **{"type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": y},
        "line": {"color": "var(--text)", "dash": "4px,4px", "width": 1.5},
        "marker": {"symbol": "line-ew", "size": 14, "line": {"color": "var(--text)", "width": 2}},
        "hovertemplate": "%{y:.4f}",
    }


def _bounds(summary: Summary) -> tuple[float, float]:
    """Returns how far the error bar of a value reaches below and above it."""
    if summary.interval is not None:
        return summary.mean - summary.interval[0], summary.interval[1] - summary.mean
    return summary.std or 0.0, summary.std or 0.0


def series_color(place: int) -> str:
    """Returns the colour of a series."""
    return f"var(--series-{place % MAX_SERIES + 1})"


def axis(title: str, **options: Any) -> dict[str, Any]:
    """Returns an axis with a title."""
    return {"title": {"text": title}, **options}


def log_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """Returns a logarithmic axis with readable ticks for positive values."""
    values = list(values)
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if high - low <= MAX_FINE_DECADES else (1,)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    return axis(title, type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])


def marked_at(x: float) -> dict[str, Any]:
    """Returns the layout of a vertical line at :obj:`x`. A label in the chart would be crossed by
    its lines.
    """
    line = {"color": "var(--muted)", "width": 1, "dash": "dash"}
    shape = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    return {"shapes": [shape]}


def escaped(text: str) -> str:
    """Returns a text in which plotly finds no tags."""
    return html.escape(text, quote=False)


def wrapped(text: str) -> str:
    """Returns a text in lines of about :obj:`MAX_LABEL` characters."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= MAX_LABEL:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(map(escaped, lines))
