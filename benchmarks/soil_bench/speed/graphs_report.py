"""The table of the measurements at Baby's size, and the notes below it."""

from statistics import median

from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, bullets, table
from soil_bench.speed.roofline import describe
from soil_bench.speed.step_profile import describe_profile

TARGETS = {"graphs": 100.0, "step": 3.0, "epoch": 4.0}
"""The ratios to reach: naive to ours."""
MEMORY_TARGET = 1024.0
"""The maximum MiB above the inputs."""
QUANTITIES = [
    ("all graphs, s", "graphs", ["seconds"]),
    ("  peak above the inputs, MiB", "graphs", ["above_inputs_mb"]),
    ("training step, s", "step", ["seconds"]),
    ("epoch with evaluation, s", "epoch", ["train", "evaluate"]),
    ("  training, s", "epoch", ["train"]),
    ("  evaluation, s", "epoch", ["evaluate"]),
]
"""The name, the measurement and the fields of each row; indented rows belong to the one above."""
ROOFLINE = "  roofline of the step, s"
LEGEND = (
    "Median (smallest to largest). Ratio: the naive value divided by ours; in the row of "
    "the roofline, our step divided by the roofline. "
    "Evaluation: ours of one split, as in training; the naive one of two."
)


def upgraded(record: Record) -> Record:
    """Returns a record under today's names of the roofline.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py graphs`, of any version.
    """
    if "floor" not in record:
        return record
    least = record["floor"]
    seconds = {} if least is None else {"seconds": least["floor_s"]}
    rows = [row | {"name": row["name"].replace("floor", "roofline")} for row in record["rows"]]
    return record | {"rows": rows, "roofline": least and least | seconds}


def rows(record: Record) -> list[Record]:
    """Returns the values of both, their medians, the ratio and the target of each quantity.

    Args:
        record (dict[str, Any]): The results of :func:`~soil_bench.speed.graphs.measure_all`.
    """
    found = []
    for name, kind, fields in QUANTITIES:
        values = {
            side: [sum(result[field] for field in fields) for result in record[side].get(kind, [])]
            for side in ("fast", "naive")
        }
        medians = {side: median(value) if value else None for side, value in values.items()}
        row: Record = {"name": name, "values": values, "median": medians}
        ours, other = medians["fast"], medians["naive"]
        row["ratio"] = other / ours if ours and other is not None else None
        if fields == ["above_inputs_mb"]:
            row |= {"target": f"< {MEMORY_TARGET:.0f} MiB"}
            row["met"] = None if ours is None else ours < MEMORY_TARGET
        elif kind in TARGETS and not name.startswith(" "):
            row |= {"target": f">= {TARGETS[kind]:.0f} x"}
            row["met"] = None if row["ratio"] is None else row["ratio"] >= TARGETS[kind]
        found.append(row)
        if kind == "step":
            found.append(roofline_row(record.get("roofline"), ours))
    return found


def roofline_row(roofline: Record | None, step: float | None) -> Record:
    """Returns the row of the roofline, with the ratio of our step to it.

    Args:
        roofline (dict[str, Any], optional): The result of
            :func:`~soil_bench.speed.roofline.roofline_of_step`, if it is known.
        step (float, optional): The seconds of our step, if they are known.
    """
    least = None if roofline is None else roofline["seconds"]
    return {
        "name": ROOFLINE,
        "values": {"fast": [] if least is None else [least], "naive": []},
        "median": {"fast": least, "naive": None},
        "ratio": None if least is None or step is None else step / least,
    }


def graphs_report(record: Record) -> Report:
    """Returns the table of the rows with the notes."""
    sizes = [f"SOIL, {record['data']['data']} data"]
    if record["fast"]["graphs"]:
        size = record["fast"]["graphs"][0]["size"]
        sizes += [f"{count:,} {name}" for name, count in size.items()]
    cells = []
    for row in record["rows"]:
        name = row["name"].replace("  ", "- ")
        sides = [spread(row["values"][side]) for side in ("fast", "naive")]
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:,.1f}"
        met = {True: "yes", False: "no", None: ""}[row.get("met")]
        cells.append([name, *sides, ratio, row.get("target", ""), met])
    title = ", ".join([*sizes, features_text(record["data"]["channels"])])
    columns = ["", "ours", "naive", "ratio", "target", "met"]
    return Report(title, columns, cells, [LEGEND, *notes(record)])


def graphs_lines(record: Record) -> list[str]:
    """Returns the section on graphs, steps and epochs beside the naive implementation.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py graphs`.
    """
    report = graphs_report(upgraded(record))
    head = (
        f"{report.title}: ours beside the naive implementation of the definitions in `naive.py`. "
        f"{report.notes[0]}"
    )
    return [head, "", *table(report.columns, report.rows), *bullets(report.notes[1:])]


def features_text(channels: dict[str, int]) -> str:
    """Returns the dimensions of the features as text."""
    return f"features of {' + '.join(f'{size:,}' for size in channels.values())} dimensions"


def spread(values: list[float]) -> str:
    """Returns the median, the smallest and the largest value as text, or a dash if none."""
    if not values:
        return "-"
    middle = f"{median(values):.4g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.4g} to {max(values):.4g})"


def unequal(record: Record) -> list[str]:
    """Returns a line per graph that differs from the naive one.

    Args:
        record (dict[str, Any]): The results of :func:`~soil_bench.speed.graphs.measure_all`.
    """
    graphs = (record.get("difference") or {"graphs": {}})["graphs"]
    return [
        f"{name}: {found['differing']:,} of {found['entries']:,} entries differ without a tie"
        for name, found in graphs.items()
        if found["differing"] > 0
    ]


def notes(record: Record) -> list[str]:
    """Returns lines on the parts of the roofline and of the step, and on the equality of graphs and
    embeddings.

    Args:
        record (dict[str, Any]): The results of :func:`~soil_bench.speed.graphs.measure_all`.
    """
    lines = [] if record.get("roofline") is None else [describe(record["roofline"])]
    if record.get("profile") is not None:
        lines.append(describe_profile(record["profile"]))
    difference = record.get("difference")
    if difference is None:
        return lines
    lines += [
        f"{name}: {found['differing']:,} of {found['entries']:,} entries differ by more than "
        f"{found['tolerance']:.0e}, largest difference {found['largest']:.2g}"
        for name, found in difference["graphs"].items()
    ]
    return [
        *lines,
        f"left out: entries that depend on ties, of second-order items for "
        f"{difference['tied_users']:,} users and of items of interest for "
        f"{difference['tied_interest']:,}, where either choice is right",
        f"embeddings of the same graphs differ by at most {difference['embeddings']:.2g}",
    ]
