"""The table of the measurements at Baby's size, and what is said below it."""

from statistics import median
from typing import Any

from rich.table import Table

from soil_bench.runs.results import environment
from soil_bench.speed.roofline import describe, describe_profile

# How many times faster than the naive rendering; at most as many MiB above the inputs.
TARGETS = {"graphs": 100.0, "step": 3.0, "epoch": 4.0}
MEMORY_TARGET = 1024.0
Result = dict[str, Any]


def rows(report: Result) -> list[Result]:
    """Returns the values of both, their medians, the ratio and the target of each quantity.

    Args:
        report (dict[str, Any]): The results of :func:`graphs.measure_all`.
    """
    quantities = [
        ("all graphs, s", "graphs", ["seconds"]),
        ("  peak above the inputs, MiB", "graphs", ["above_inputs_mb"]),
        ("training step, s", "step", ["seconds"]),
        ("epoch with evaluation, s", "epoch", ["train", "evaluate"]),
        ("  training, s", "epoch", ["train"]),
        ("  evaluation, s", "epoch", ["evaluate"]),
    ]
    found = []
    for name, what, fields in quantities:
        values = {
            side: [sum(result[field] for field in fields) for result in report[side].get(what, [])]
            for side in ("fast", "naive")
        }
        medians = {side: median(value) if value else None for side, value in values.items()}
        row: Result = {"name": name, "values": values, "median": medians}
        ours, other = medians["fast"], medians["naive"]
        row["ratio"] = other / ours if ours and other is not None else None
        if fields == ["above_inputs_mb"]:
            row |= {"target": f"< {MEMORY_TARGET:.0f} MiB"}
            row["met"] = None if ours is None else ours < MEMORY_TARGET
        elif what in TARGETS and not name.startswith(" "):
            row |= {"target": f">= {TARGETS[what]:.0f} x"}
            row["met"] = None if row["ratio"] is None else row["ratio"] >= TARGETS[what]
        found.append(row)
        if what == "step":
            found.append(floor_row(report.get("floor"), ours))
    return found


def floor_row(floor: Result | None, step: float | None) -> Result:
    """Returns the row of the floor of a step, whose ratio is how many times as long ours takes.

    Args:
        floor (dict[str, Any], optional): What :func:`floor.floor_of_step` tells, if it is known.
        step (float, optional): The seconds of our step, if they are known.
    """
    least = None if floor is None else floor["floor_s"]
    return {
        "name": "  floor of the step, s",
        "values": {"fast": [] if least is None else [least], "naive": []},
        "median": {"fast": least, "naive": None},
        "ratio": None if least is None or step is None else step / least,
    }


def table(report: Result) -> Table:
    """Returns the table of the rows, with the smallest and the largest value behind a median.

    Args:
        report (dict[str, Any]): The results with their rows.
    """
    sizes = [result["size"] for result in report["fast"]["graphs"]]
    size = ", ".join(f"{count:,} {name}" for name, count in sizes[0].items()) if sizes else "-"
    channels = " + ".join(f"{size:,}" for size in report["data"]["channels"].values())
    out = Table(
        title=f"SOIL on {report['data']['data']}: {size}, features of {channels} dimensions",
        caption="Median (smallest to largest). Ratio: naive to ours; of the floor: our step to it. "
        "Evaluation: ours of one split, as in training; the naive one of two. "
        f"{'; '.join(environment([report]))}",
        caption_justify="left",
    )
    out.add_column("")
    for name in ["ours", "naive", "ratio", "target", "met"]:
        out.add_column(name, justify="right")
    for row in report["rows"]:
        sides = [spread(row["values"][side]) for side in ("fast", "naive")]
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.1f}"
        met = {True: "yes", False: "no", None: ""}[row.get("met")]
        out.add_row(row["name"], *sides, ratio, row.get("target", ""), met)
    return out


def spread(values: list[float]) -> str:
    """Returns the median with the smallest and the largest value as text, of none a dash."""
    if not values:
        return "-"
    middle = f"{median(values):.4g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.4g} to {max(values):.4g})"


def unequal(report: Result) -> list[str]:
    """Returns which graphs are others than the naive ones, in words.

    Args:
        report (dict[str, Any]): The results of :func:`graphs.measure_all`.
    """
    graphs = (report.get("difference") or {"graphs": {}})["graphs"]
    return [
        f"{name}: {found['differing']:,} of {found['entries']:,} entries differ, and no tie tells "
        "why"
        for name, found in graphs.items()
        if found["differing"] > 0
    ]


def notes(report: Result) -> list[str]:
    """Returns what makes up the floor and the step, and whether both make the same graphs and
    embeddings.

    Args:
        report (dict[str, Any]): The results of :func:`graphs.measure_all`.
    """
    lines = [] if report.get("floor") is None else [describe(report["floor"])]
    if report.get("profile") is not None:
        lines.append(describe_profile(report["profile"]))
    difference = report.get("difference")
    if difference is None:
        return lines
    lines += [
        f"{name}: {found['differing']:,} of {found['entries']:,} entries differ by more than "
        f"{found['tolerance']:.0e}, the largest difference is {found['largest']:.2g}"
        for name, found in difference["graphs"].items()
    ]
    return [
        *lines,
        f"left out: what depends on the choice of {difference['tied_users']:,} users with equally "
        f"good second-order items at the cut, and of {difference['tied_interest']:,} with equally "
        "good items of interest, where either is right",
        f"embeddings of the same graphs differ by at most {difference['embeddings']:.2g}",
    ]
