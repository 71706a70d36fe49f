"""The tables of the paper, built from their records."""

from soil_bench.runs.experiment import extent
from soil_bench.runs.results import METRICS, Record, mean_std
from soil_bench.runs.significance import FLIPS
from soil_bench.runs.tables import Report, difference_text

MEAN = "Mean ± sample standard deviation over seeds"


def table2_report(record: Record) -> Report:
    """Returns the table of all models.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py paper table2`.
    """
    rows = record["rows"]
    values = [metric_cells(rows, row) for row in rows]
    cells = [
        [row["model"], row["profile"] or "-", *found]
        for row, found in zip(rows, values, strict=True)
    ]
    notes = [MEAN]
    if record["left_out"]:
        notes.append(f"Left out because the data has no features: {', '.join(record['left_out'])}")
    if record["best_other"] is not None:
        notes.append(improvement(record))
    for comparison in record["comparisons"]:
        notes.append(tested(comparison, comparison["other"]))
    if record["missing"]:
        notes.append(
            "No test over users: the metrics of each user are missing; to write them, run `run.py "
            f"--models {','.join(record['missing'])} --rerun` with the same data, profile, seeds "
            "and epochs"
        )
    title = f"Test metrics of all models on {extent(record)}"
    return Report(title, ["model", "profile", *metric_columns(rows)], cells, notes)


def table3_report(record: Record) -> Report:
    """Returns the table of SOIL with some of its parts.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py paper table3`.
    """
    rows, parts = record["rows"], record["parts"]
    cells = [
        [
            {0: "none", len(parts): "all"}.get(len(row["parts"]), " + ".join(row["parts"])),
            *metric_cells(rows, row),
            "" if len(row["parts"]) == len(parts) else difference_text(**row["difference"]),
        ]
        for row in rows
    ]
    notes = [
        MEAN,
        "To all: difference of Recall@20 to SOIL with all parts, paired by seed, ± its standard "
        "error",
    ]
    title = f"SOIL ({record['profile']}) with some of its parts on {extent(record)}"
    return Report(title, ["parts", *metric_columns(rows), "to all"], cells, notes)


def metric_columns(rows: list[Record]) -> list[str]:
    """Returns the names of the columns of metrics and published values."""
    columns = []
    for metric in METRICS:
        columns.append(metric)
        if any(metric in row["published"] for row in rows):
            columns.append("published")
    return columns


def metric_cells(rows: list[Record], row: Record) -> list[str]:
    """Returns the cells of the columns of :func:`metric_columns`."""
    cells = []
    for metric in METRICS:
        cells.append(mean_std(row["test"][metric], 4))
        if any(metric in other["published"] for other in rows):
            published = row["published"].get(metric)
            cells.append("-" if published is None else f"{published:.4f}")
    return cells


def improvement(record: Record) -> str:
    """Returns the improvement of SOIL over the best other model as text."""
    found = ", ".join(
        f"{metric} {'-' if value is None else f'{value:+.1%}'}"
        for metric, value in record["improvement"].items()
    )
    return f"SOIL against {record['best_other']}, the best other model by val Recall@20: {found}"


def tested(comparison: Record, other: str) -> str:
    """Returns the result of the paired tests of a metric as text."""
    difference = difference_text(comparison["difference"], comparison["standard_error"])
    return (
        f"SOIL minus {other}, {comparison['metric']} over {comparison['pairs']:,} users: "
        f"{difference} (standard error); p = {comparison['p_t_test']:.2g} "
        f"(paired t-test), {comparison['p_sign_flip']:.2g} ({FLIPS:,} sign flips)"
    )
