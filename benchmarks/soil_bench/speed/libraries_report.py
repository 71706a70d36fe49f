"""The tables and the picture of a comparison of libraries."""

import io
from typing import TYPE_CHECKING

from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, sections, short
from soil_bench.speed.propagation_cases import ONE_EDGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_COLUMNS = 4
COLOURS = {"forward": "tab:blue", "forward+backward": "tab:orange", "search": "tab:green"}
LABELS = {
    "forward": "forward",
    "forward+backward": "forward and backward",
    "search": "search (recall@10 if it is approximate)",
}
OURS = "soil_pyg"
TINY = "Tiny inputs: they show what a call costs whatever its size, and not which library is fast."
REASON = (
    "A call of a layer of soil_pyg costs its checks and an autograd function in Python, whatever "
    f"the size of the graph (the cases '{ONE_EDGE}'): on graphs of a few thousand edges that is "
    "more than the product itself."
)
"""Why it is slower on small graphs."""
COLUMNS = ["case", "library", "median ms", "/ best", "quartiles, ms", "MiB"]


def libraries_legend(record: Record) -> str:
    """Returns the device and the meaning of the columns as text.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py libraries`.
    """
    text = (
        f"On {record['device']}, seed {record['seed']}: timed in turns, after each answer was "
        "checked. / best: median divided by that of the fastest exact library of the case; "
        f"quartiles of at most {record['rounds']} rounds. MiB: {record['memory']}."
    )
    return f"{TINY} {text}" if "--quick" in str(record.get("options", "")).split() else text


def summary(record: Record) -> Report | None:
    """Returns soil_pyg beside the fastest other exact library of each case and task, with the
    reason where it is slower; :obj:`None` if there is nothing to compare.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py libraries`.
    """
    rows, slower = [], False
    for case in record["cases"]:
        for task in _tasks([case]):
            times = {
                result["name"]: result["tasks"][task]["median_ms"]
                for result in _right(case)
                if result["exact"] and task in result["tasks"]
            }
            ours = {name: time for name, time in times.items() if name.startswith(OURS)}
            others = {name: time for name, time in times.items() if name not in ours}
            if not ours or not others:
                continue
            own, (name, other) = min(ours.values()), min(others.items(), key=lambda x: x[1])
            slower |= other < own and case["part"] == "propagation"
            row = [case["name"], LABELS[task].partition(" (")[0], short(own), name, short(other)]
            rows.append([*row, f"{other / own:.2f}"])
    if not rows:
        return None
    columns = ["case", "task", f"{OURS} ms", "fastest other exact", "its ms", f"its ms / {OURS}"]
    notes = ["Below 1.00 the other library is faster."]
    if slower:
        notes.append(REASON)
    return Report("soil_pyg and the fastest other library", columns, rows, notes)


def libraries_reports(record: Record) -> list[Report]:
    """Returns the summary and one table per task; the last table of a part notes wrong and absent
    libraries.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py libraries`.
    """
    first = summary(record)
    reports = [] if first is None else [first]
    for part in dict.fromkeys(case["part"] for case in record["cases"]):
        cases = [case for case in record["cases"] if case["part"] == part]
        is_search = part == "neighbours"
        columns = [*COLUMNS, "recall@10"] if is_search else COLUMNS
        for task in _tasks(cases):
            rows = [row for case in cases for row in library_rows(case, task, is_search)]
            title = f"{part.capitalize()}, {task.replace('+', ' and ')}"
            reports.append(Report(title, columns, rows))
        notes = [
            f"{result['status']}: {result['name']}, {case['name']}: {result['reason']}"
            for case in cases
            for result in case["results"]
            if result["status"] != "ok"
        ]
        notes += [
            f"absent: {absent['name']}: {absent['reason']}"
            for absent in record["absent"]
            if absent["part"] == part
        ]
        if not _tasks(cases):
            reports.append(Report(part.capitalize(), COLUMNS, []))
        reports[-1].notes.extend(notes)
    return reports


def libraries_lines(record: Record) -> list[str]:
    """Returns the section on the comparison of libraries, with one table per task.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py libraries`.
    """
    return sections(libraries_legend(record), libraries_reports(record))


def library_rows(case: Record, task: str, with_recall: bool) -> list[list[str]]:
    """Returns one row per library, the fastest first, with the name of the case in the first row.

    Args:
        case (dict[str, Any]): A case of the comparison.
        task (str): The task.
        with_recall (bool): Whether the last column is the recall.
    """
    rows: list[list[str]] = []
    results = [result for result in _right(case) if task in result["tasks"]]
    for result in sorted(results, key=lambda result: result["tasks"][task]["median_ms"]):
        found = result["tasks"][task]
        ratio, peak = found["ratio"], found["peak_memory_mb"]
        cells = [
            "" if rows else case["name"],
            _name(result),
            short(found["median_ms"]),
            "-" if ratio is None else f"{ratio:.2f}",
            f"{short(found['q1_ms'])} to {short(found['q3_ms'])}",
            "-" if peak is None else f"{peak:,.0f}",
        ]
        rows.append([*cells, f"{found['recall']:.4f}"] if with_recall else cells)
    return rows


def draw_picture(record: Record) -> bytes:
    """Returns a picture in PNG format, one panel per case, on logarithmic axes.

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
        low, high = panel.get_xlim()
        if high < 10 * low:
            # With less than a decade, matplotlib labels ticks too close to each other.
            panel.set_xlim(low / 2, high * 2)
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
    figure.savefig(content, format="png", bbox_inches="tight")
    return content.getvalue()


def _draw_case(panel: "Axes", case: Record) -> None:
    results, tasks = _right(case), _tasks([case])
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
    labels = [_name(result) + _recall(result) for result in results]
    panel.set_yticks(range(len(results)), labels)
    panel.set_ylim(len(results) - 0.5, -0.5)
    panel.set_xscale("log")
    panel.set_xlabel("ms")
    panel.grid(axis="x", which="both", alpha=0.3)
    panel.set_title(case["name"], fontsize="medium")


def _recall(result: Record) -> str:
    recalls = [task["recall"] for task in result["tasks"].values()]
    return "" if result["exact"] else f" ({min(recalls):.2f})"


def _name(result: Record) -> str:
    # One of another environment may have another torch.
    versions = result.get("versions", {})
    return f"{result['name']} (torch {versions['torch']})" if versions else str(result["name"])


def _right(case: Record) -> list[Record]:
    return [result for result in case["results"] if result["status"] == "ok"]


def _tasks(cases: list[Record]) -> list[str]:
    return list(dict.fromkeys(t for case in cases for r in _right(case) for t in r["tasks"]))
