"""The tables of the paper, built from their records."""

import json
from collections.abc import Mapping
from shlex import quote
from types import MappingProxyType

from soil_bench.runs.experiment import extent
from soil_bench.runs.results import METRICS, Record, mean_std
from soil_bench.runs.tables import Report, difference_text

MEAN = "Mean ± sample standard deviation over seeds"

TESTS = {
    "p_t_test": "paired t-test",
    "p_wilcoxon": "Wilcoxon",
    "p_sign_flip": "10,000 sign flips",
    "p_t_test_holm": "t-test, Holm",
    "p_wilcoxon_holm": "Wilcoxon, Holm",
}
"""The names of the tests of a comparison; each record has some of them."""

MARKS = (
    "* p < 0.05, ** p < 0.01: difference from SOIL over users, paired t-test, p-values corrected "
    "by Holm's method for all tests over users of this table"
)

LEVELS = {0.01: "**", 0.05: "*"}
"""The mark of a p-value below a level."""


def _options(record: Record) -> str:
    # Earlier records have none.
    found = record.get("missing_options", {})
    return "".join(
        f" --{model}.{name} {quote(value if isinstance(value, str) else json.dumps(value))}"
        for model, options in found.items()
        for name, value in options.items()
    )


def table2_report(record: Record) -> Report:
    """Returns the table of all models.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py paper table2`.
    """
    rows = record["rows"]
    values = [metric_cells(rows, row, marks(record, row["model"])) for row in rows]
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
        if comparison.get("over", "users") == "users" and (
            "over" not in comparison or comparison["other"] == record["best_other"]
        ):
            notes.append(tested(comparison, comparison["other"]))
    if any("over" in comparison for comparison in record["comparisons"]):
        notes.append(MARKS)
    if record["missing"]:
        notes.append(
            "No test over users: the metrics of each user are missing; to write them, run `run.py "
            f"--models {','.join(record['missing'])}{_options(record)} --rerun` with the same "
            "data, profile, seeds and epochs"
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
        "To all: difference in Recall@20 from SOIL with all parts, paired by seed, ± its standard "
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


def metric_cells(
    rows: list[Record], row: Record, marks: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """Returns the cells of the columns of :func:`metric_columns`, with marks by metric."""
    cells = []
    for metric in METRICS:
        cells.append(mean_std(row["test"][metric], 4) + marks.get(metric, ""))
        if any(metric in other["published"] for other in rows):
            published = row["published"].get(metric)
            cells.append("-" if published is None else f"{published:.4f}")
    return cells


def marks(record: Record, model: str) -> dict[str, str]:
    """Returns the mark of each metric of a model that differs from SOIL's over users."""
    found = {}
    for comparison in record["comparisons"]:
        if comparison.get("over") == "users" and comparison["other"] == model:
            levels = (level for level in LEVELS if comparison["p_t_test_holm"] < level)
            found[comparison["metric"]] = LEVELS.get(next(levels, 1.0), "")
    return found


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
    found = [name for name in TESTS if name in comparison]
    p_values = [f"{comparison[name]:.2g} ({TESTS[name]})" for name in found]
    return (
        f"SOIL minus {other}, {comparison['metric']} over {comparison['pairs']:,} users: "
        f"{difference} (standard error); p = {', '.join(p_values)}"
    )
