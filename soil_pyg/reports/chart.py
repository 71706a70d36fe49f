"""A chart of a report, and what charts share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from soil_pyg.reports.runs import Summary
from soil_pyg.reports.table import Table

MAX_SERIES = 6
"""Charts show no more groups of runs; tables show all."""
DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "x"]
PATTERNS = ["", "/", "x", "-", "\\", "+"]
MAX_LABEL = 16
MAX_FINE_DECADES = 2
HEIGHT = 320


@dataclass(frozen=True)
class Chart:
    """A chart.

    Args:
        id (str): Its name in the page.
        title (str): Its title.
        spec (dict[str, Any]): Traces and layout for plotly. A text :obj:`"var(--name)"` stands for
            a colour of the page.
        columns (list[str]): The columns of the table.
        rows (list[list[Any]]): Its rows.
        note (str): How to read it. (default: :obj:`""`)
    """

    id: str
    title: str
    spec: dict[str, Any]
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""

    @property
    def height(self) -> int:
        """The height in pixels."""
        return self.spec["layout"].get("height", HEIGHT)

    @property
    def table(self) -> Table:
        """The numbers as a table."""
        return Table(self.title, self.columns, self.rows)


def error_bars(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Returns error bars of one standard deviation, for the values that have one."""
    has_error = any(summary.std is not None for summary in summaries)
    array = [summary.std or 0.0 for summary in summaries]
    style = {"color": "var(--text)", "thickness": 1.5, "width": 4}
    return {"type": "data", "array": array, "visible": has_error, **style}


def line_style(place: int) -> dict[str, Any]:
    """Returns the colour, the dashes and the symbol of a series."""
    line = {"color": series_color(place), "dash": DASHES[place % len(DASHES)], "width": 2}
    symbol = SYMBOLS[place % len(SYMBOLS)]
    return {"line": line, "marker": {"color": series_color(place), "symbol": symbol, "size": 7}}


def series_color(place: int) -> str:
    """Returns the colour of a series, by its name in the page."""
    return f"var(--series-{place % MAX_SERIES + 1})"


def vertical_line(x: float) -> dict[str, Any]:
    """Returns a line across the chart at :obj:`x`."""
    line = {"color": "var(--muted)", "width": 1, "dash": "dash"}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def label_at(x: float, text: str) -> dict[str, Any]:
    """Returns a text to the left of :obj:`x`, at the top."""
    return {
        "x": x,
        "y": 1,
        "yref": "paper",
        "yanchor": "top",
        "xanchor": "right",
        "text": text,
        "bgcolor": "var(--surface)",
        "showarrow": False,
        "font": {"color": "var(--muted)"},
    }


def log_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """Returns a logarithmic axis whose ticks can be read.

    Args:
        title (str): What it shows.
        values (iterable of float): What is on it, greater than 0.
    """
    values = list(values)
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1, 2, 5) if high - low <= MAX_FINE_DECADES else (1,)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    return {
        "title": {"text": title},
        "type": "log",
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def plain(text: str) -> str:
    """Returns a text without the tags that plotly would read."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def wrapped(text: str) -> str:
    """Returns a text in lines of about :obj:`MAX_LABEL` characters."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= MAX_LABEL:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(plain(line) for line in lines)
