"""The section of the page on the comparison of libraries."""

from html import escape
from typing import Any

from markdown_lines import bullets, short, table

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
