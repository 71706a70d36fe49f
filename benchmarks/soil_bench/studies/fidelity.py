"""The effect of each difference between the paper and the released code of SOIL.

Starts from one of the two profiles and sets one option at a time to the value of the other profile,
then vice versa. Finished runs are shared with the other commands and not run again. The table is
written to the folder "records" of the results.
"""

import pandas as pd

from soil_bench.runs.arguments import add_run_arguments, make_console, make_parser
from soil_bench.runs.experiment import (
    PAPER_FOLDER,
    Experiment,
    Variant,
    describe,
    extent,
    paired_difference,
    write_csv,
    write_record,
)
from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.results import Record, mean_std, read_records
from soil_bench.runs.tables import Report, difference_text, markdown, print_report
from soil_pyg.models import SOIL
from soil_pyg.runs.compatibility import RENAMED_SETTINGS

DIRECTIONS = [("released", "paper"), ("paper", "released")]
EQUATIONS = {
    "aggr": "2-3",
    "exclude_interacted": "2",
    "second_order_scale": "4-5, 13",
    "aggregation": "13",
    "weight_by_users": "8",
    "min_weight": "4-5, 10, 13",
    "sigmoid_gate": "11",
    "divide_fusion": "14",
    "contrast": "15-16",
    "bpr_reduction": "17",
}
"""The equations of the paper that an option changes."""
START, ALL = "start", "all"
"""Rows for no single option: the profile unchanged, and with all options changed."""
Place = tuple[str, str]
"""The profile that is changed, and the option."""


def main(argv: list[str]) -> int:
    """Executes unfinished runs, prints and writes the table, and returns the exit code."""
    parser = make_parser("fidelity", __doc__)
    add_run_arguments(parser)
    experiment = Experiment(parser.parse_args(argv), make_console())
    record = measure(experiment)
    name = f"fidelity-{experiment.plan.dataset}.csv"
    write_csv(pd.DataFrame(csv_rows(record)), experiment.out / PAPER_FOLDER / name)
    write_record(experiment, "fidelity", record)
    for report in fidelity_reports(record):
        print_report(report, experiment.console)
    return 1 if record["failed"] else 0


def differing() -> list[str]:
    """Returns the options in which both profiles differ."""
    paper, released = SOIL.profiles["paper"], SOIL.profiles["released"]
    return [name for name in released if released[name] != paper[name]]


def measure(experiment: Experiment) -> Record:
    """Returns the record of the table.

    Raises:
        ValueError: If a setting of a profile itself is invalid.
    """
    jobs: dict[Place, list[Job]] = {}
    reasons: dict[Place, str] = {}
    for start, end in DIRECTIONS:
        jobs[start, START] = experiment.jobs(Variant(start, "soil", start))
        for option in differing():
            change = {option: SOIL.profiles[end][option]}
            try:
                jobs[start, option] = experiment.jobs(Variant(option, "soil", start, change))
            except ValueError as error:
                reasons[start, option] = str(error)
    failed = experiment.try_to_finish(job for group in jobs.values() for job in group)
    finished = read_records(experiment.plan.results_file)
    runs: dict[Place, list[Record]] = {}
    for place, group in jobs.items():
        keys = [job.key for job in group]
        if set(keys) <= set(finished):
            runs[place] = [finished[key] for key in keys]
        else:
            reasons[place] = "a run failed"
    # With all options changed, a profile is the other one.
    for start, end in DIRECTIONS:
        if (end, START) in runs:
            runs[start, ALL] = runs[end, START]
        else:
            reasons[start, ALL] = reasons[end, START]
    record = describe(experiment, [run for group in runs.values() for run in group])
    return record | {
        "starts": {start: starting_values(runs, start) for start, _ in DIRECTIONS},
        "rows": [
            row_of(runs, reasons, start, end, option)
            for start, end in DIRECTIONS
            for option in [*differing(), ALL]
        ],
        "failed": failed,
    }


def starting_values(runs: dict[Place, list[Record]], start: str) -> dict[str, list[float]]:
    """Returns the metrics of a profile, one value per seed; none if its runs failed."""
    found = runs.get((start, START), [])
    return {metric: [run["test"][metric] for run in found] for metric in PAIRED}


def row_of(
    runs: dict[Place, list[Record]], reasons: dict[Place, str], start: str, end: str, option: str
) -> Record:
    """Returns the effect of changing an option, or the reason why it could not be measured.

    Args:
        runs (dict): The runs of each place in the table.
        reasons (dict): The reason of each place without runs.
        start (str): The profile that is changed.
        end (str): The profile whose value the option gets.
        option (str): The option, or :obj:`"all"`.
    """
    row: Record = {"start": start, "option": option, "equations": EQUATIONS.get(option, "")}
    if option != ALL:
        row |= {"from": SOIL.profiles[start][option], "to": SOIL.profiles[end][option]}
    reason = reasons.get((start, option), reasons.get((start, START)))
    differences = {}
    if reason is None:
        before = starting_values(runs, start)
        differences = {
            metric: paired_difference([run["test"][metric] for run in runs[start, option]], values)
            for metric, values in before.items()
        }
    return row | {"differences": differences, "reason": reason}


def csv_rows(record: Record) -> list[Record]:
    """Returns the rows of the CSV file."""
    rows = []
    for row in record["rows"]:
        columns = {name: row.get(name) for name in ("start", "option", "equations", "from", "to")}
        columns["seeds"] = record["seeds"]
        for metric in PAIRED:
            found = row["differences"].get(metric, {})
            columns[f"{metric} difference"] = found.get("difference")
            columns[f"{metric} standard error"] = found.get("standard_error")
        rows.append(columns | {"reason": row["reason"]})
    return rows


def fidelity_section(record: Record) -> list[str]:
    """Returns the lines of the section in Markdown, without its title.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py fidelity`.
    """
    lines = [
        "Both profiles of SOIL, with one option at a time set to the value of the other profile: "
        "difference in the test metrics from the unchanged profile, paired by seed, ± its standard "
        "error over seeds. Equations are those of the paper. *all* is the other profile.",
        "",
    ]
    for report in fidelity_reports(record):
        lines += markdown(report)
    return lines


def fidelity_reports(record: Record) -> list[Report]:
    """Returns one table per profile to start from.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py fidelity`.
    """
    return [report_of(record, start) for start in record["starts"]]


def report_of(record: Record, start: str) -> Report:
    """Returns the table of one profile to start from.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py fidelity`.
        start (str): The profile.
    """
    values = record["starts"][start]
    rows = [row for row in record["rows"] if row["start"] == start]
    cells, notes = [], []
    for row in rows:
        change = f"{row['from']} → {row['to']}" if "from" in row else ""
        found = row["differences"]
        texts = [difference_text(**found[metric]) if found else "-" for metric in values]
        option = RENAMED_SETTINGS.get(row["option"], row["option"])
        cells.append([option, row["equations"], change, *texts])
        if row["reason"] is not None:
            notes.append(f"{option}: {row['reason']}")
    unchanged = ", ".join(f"{metric} {mean_std(found, 4)}" for metric, found in values.items())
    notes.insert(0, f"Unchanged: {unchanged} (mean ± sample standard deviation)")
    title = f"From the {start} profile on {extent(record)}"
    return Report(title, ["option", "equations", "change", *values], cells, notes)
