"""The tables and the picture of a comparison of libraries."""

import io
from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table

from soil_bench.runs.results import environment
from soil_bench.runs.tables import bullets, short, table

PANEL_COLUMNS = 4
COLOURS = {"forward": "tab:blue", "forward+backward": "tab:orange", "search": "tab:green"}
LABELS = {
    "forward": "forward",
    "forward+backward": "forward and backward",
    "search": "search (recall@10 if it is approximate)",
}


def print_tables(record: dict[str, Any], console: Console) -> None:
    """Prints a table a part, each case a section of it.

    Args:
        record (dict[str, Any]): The record of the comparison.
        console (Console): Where to print.
    """
    for part in dict.fromkeys(case["part"] for case in record["cases"]):
        cases = [case for case in record["cases"] if case["part"] == part]
        tasks = _tasks(cases)
        table = Table(title=part.capitalize())
        table.add_column("case, library")
        for name in ["recall@10"] * (part == "neighbours") + ["prepared ms"]:
            table.add_column(name, justify="right")
        for task in tasks:
            for name in [f"{task} ms (quartiles)", "/ best", "MiB"]:
                table.add_column(name, justify="right")
        for case in cases:
            table.add_section()
            table.add_row(f"[bold]{case['name']}")
            for result in case["results"]:
                table.add_row(*_row(result, tasks, part))
        table.add_section()
        for absent in record["absent"]:
            if absent["part"] == part:
                table.add_row(f"  {absent['name']}", f"absent: {absent['reason']}")
        console.print(table)
    console.print("; ".join(environment([record])))
    console.print(
        "/ best: to the fastest exact one of the case; quartiles of at most "
        f"{record['rounds']} rounds. MiB: {record['memory']}."
    )


def draw_picture(record: dict[str, Any]) -> bytes:
    """Returns a picture in PNG format, one panel a case, on logarithmic axes.

    Args:
        record (dict[str, Any]): The record of the comparison.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    cases = record["cases"]
    columns = min(PANEL_COLUMNS, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(5 * columns, 1.2 + 3.2 * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel, case in zip(panels, cases, strict=False):
        _draw_case(panel, case)
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=20))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
    for panel in panels[len(cases) :]:
        panel.remove()
    names = ", ".join(dict.fromkeys(absent["name"] for absent in record["absent"]))
    title = f"{record['versions']['machine']}, {record['versions']['date']}: median and quartiles"
    figure.suptitle(title + (f"\nabsent: {names}" if names else ""))
    legend = {}
    for panel in panels[: len(cases)]:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            legend[label] = handle
    figure.legend(legend.values(), legend, loc="outside lower center", ncols=len(legend) or 1)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _row(result: dict[str, Any], tasks: list[str], part: str) -> list[str]:
    name = f"  {result['name']}"
    if result["status"] != "ok":
        return [name, f"[bold red]{result['status']}[/]: {result['reason']}"]
    row = [name]
    if part == "neighbours":
        row.append(f"{result['tasks']['search']['recall']:.4f}")
    row.append(f"{result['prepare_ms']:,.0f}")
    for task in tasks:
        times = result["tasks"][task]
        row.append(f"{times['median_ms']:,.2f} ({times['q1_ms']:,.2f}-{times['q3_ms']:,.2f})")
        row.append("-" if times["ratio"] is None else f"{times['ratio']:.2f}")
        memory = times["peak_memory_mb"]
        row.append("-" if memory is None else f"{memory:,.0f}")
    return row


def _draw_case(panel: Any, case: dict[str, Any]) -> None:
    results = [result for result in case["results"] if result["status"] == "ok"]
    tasks = _tasks([case])
    for number, task in enumerate(tasks):
        times = [result["tasks"][task] for result in results]
        median = [t["median_ms"] for t in times]
        spread = [
            [t["median_ms"] - t["q1_ms"] for t in times],
            [t["q3_ms"] - t["median_ms"] for t in times],
        ]
        height = [place + 0.2 * (number - (len(tasks) - 1) / 2) for place in range(len(results))]
        colour = COLOURS[task]
        panel.errorbar(
            median, height, xerr=spread, fmt="o", color=colour, capsize=3, label=LABELS[task]
        )
    labels = [result["name"] + _recall(result) for result in results]
    panel.set_yticks(range(len(results)), labels)
    panel.set_ylim(len(results) - 0.5, -0.5)
    panel.set_xscale("log")
    panel.set_xlabel("ms")
    panel.grid(axis="x", which="both", alpha=0.3)
    panel.set_title(case["name"], fontsize="medium")


def _recall(result: dict[str, Any]) -> str:
    recalls = [task["recall"] for task in result["tasks"].values()]
    return "" if result["exact"] else f" ({min(recalls):.2f})"


def _tasks(cases: list[dict[str, Any]]) -> list[str]:
    results = [result for case in cases for result in case["results"]]
    return list(dict.fromkeys(t for r in results if r["status"] == "ok" for t in r["tasks"]))


Result = dict[str, Any]
COLUMNS = ["case", "library", "median ms", "/ best", "quartiles, ms", "MiB"]


def libraries_lines(record: Result) -> list[str]:
    """Returns the section of the comparison of libraries, a table a task.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py libraries`.
    """
    lines = [
        f"On {record['device']}, seed {record['seed']}: timed in turns, after each answer was "
        "checked. / best: to the fastest exact one of the case; quartiles of at most "
        f"{record['rounds']} rounds. MiB: {record['memory']}.",
        "",
    ]
    for part in dict.fromkeys(case["part"] for case in record["cases"]):
        cases = [case for case in record["cases"] if case["part"] == part]
        is_search = part == "neighbours"
        columns = [*COLUMNS, "recall@10"] if is_search else COLUMNS
        for task in dict.fromkeys(t for case in cases for r in right(case) for t in r["tasks"]):
            rows = [row for case in cases for row in library_rows(case, task, is_search)]
            title = f"{part.capitalize()}, {task.replace('+', ' and ')}"
            lines += [f"### {title}", "", *table(columns, rows)]
        wrong = [
            f"{result['status']}: {result['name']}, {case['name']}: {result['reason']}"
            for case in cases
            for result in case["results"]
            if result["status"] != "ok"
        ]
        absent = [
            f"absent: {absent['name']}: {absent['reason']}"
            for absent in record["absent"]
            if absent["part"] == part
        ]
        lines += bullets(escape(text, quote=False) for text in [*wrong, *absent])
    return lines


def right(case: Result) -> list[Result]:
    """Returns the results of those libraries whose answer is right."""
    return [result for result in case["results"] if result["status"] == "ok"]


def library_rows(case: Result, task: str, with_recall: bool) -> list[list[str]]:
    """Returns a row a library, the fastest first, the name of the case in the first one.

    Args:
        case (dict[str, Any]): A case of the comparison.
        task (str): The task.
        with_recall (bool): Whether to end with the recall.
    """
    rows: list[list[str]] = []
    results = [result for result in right(case) if task in result["tasks"]]
    for result in sorted(results, key=lambda result: result["tasks"][task]["median_ms"]):
        found = result["tasks"][task]
        ratio, peak = found["ratio"], found["peak_memory_mb"]
        cells = [
            "" if rows else case["name"],
            result["name"],
            short(found["median_ms"]),
            "-" if ratio is None else f"{ratio:.2f}",
            f"{short(found['q1_ms'])} to {short(found['q3_ms'])}",
            "-" if peak is None else f"{peak:,.0f}",
        ]
        rows.append([*cells, f"{found['recall']:.4f}"] if with_recall else cells)
    return rows
