"""Steps on several batches: the accuracy by the number of batches that share one propagation.

Trains each model with one batch per step and with several, and compares the test metrics with those
of one batch per step, paired by seed. Finished runs are not run again. A seed is finished with all
numbers of batches before the next one begins.
"""

from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.runs.arguments import make_console, names_of, study_parser
from soil_bench.runs.experiment import (
    Experiment,
    Variant,
    describe,
    extent,
    paired_difference,
    write_record,
)
from soil_bench.runs.jobs import PAIRED
from soil_bench.runs.results import Record, mean_std
from soil_bench.runs.tables import Report, difference_text, print_report
from soil_pyg.typing import INTERACTS

BATCHES = [2, 4, 8]


def main(argv: list[str]) -> int:
    """Executes unfinished runs, prints and writes the table, and returns the exit code."""
    parser = study_parser("growth", __doc__, "soil")
    parser.add_argument(
        "--batches-per-step", type=PositiveInt, nargs="+", default=BATCHES, help="their numbers"
    )
    arguments = parser.parse_args(argv)
    experiment = Experiment(arguments, make_console())
    record = measure(experiment, arguments)
    write_record(experiment, "growth", record)
    print_report(growth_report(record), experiment.console)
    return 0


def measure(experiment: Experiment, arguments: Namespace) -> Record:
    """Returns the record of the table; raises :class:`FailedRunsError` if a run fails."""
    sizes = sorted({1, *arguments.batches_per_step})
    jobs = {
        (name, size): experiment.jobs(
            Variant(name, name, arguments.profile, {"batches_per_step": size})
        )
        for name in names_of(arguments.models)
        for size in sizes
    }
    by_seed = zip(*jobs.values(), strict=True)
    finished = experiment.finish(job for group in by_seed for job in group)
    runs = {place: [finished[job.key] for job in group] for place, group in jobs.items()}
    return describe(experiment, [run for group in runs.values() for run in group]) | {
        "models": arguments.models,
        "profile": arguments.profile,
        "batches_per_step": sizes,
        "interactions": experiment.data[INTERACTS].edge_index.size(1),
        "rows": [row_of(name, runs[name, size], runs[name, 1]) for name, size in runs],
    }


def row_of(name: str, runs: list[Record], start: list[Record]) -> dict[str, Any]:
    """Returns the values of the runs of a model with one number of batches per step, given those
    with one batch per step.
    """
    settings = runs[0]["settings"]
    values = {metric: [run["test"][metric] for run in runs] for metric in PAIRED}
    differences = {
        metric: paired_difference(found, [run["test"][metric] for run in start])
        for metric, found in values.items()
    }
    return {
        "model": name,
        "batches_per_step": settings["batches_per_step"],
        "batch_size": settings["batch_size"],
        "best_epoch": [run["best_epoch"] for run in runs],
        "test": values,
        "differences": differences if runs is not start else None,
    }


def growth_report(record: Record) -> Report:
    """Returns the table: one row per model and number of batches per step.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py growth`.
    """
    rows = []
    for row in record["rows"]:
        num_batches = -(-record["interactions"] // row["batch_size"])
        cells = []
        for metric in PAIRED:
            found = row["differences"]
            difference = "" if found is None else difference_text(**found[metric])
            cells += [mean_std(row["test"][metric], 4), difference]
        size = row["batches_per_step"]
        steps = -(-num_batches // size)
        rows.append([row["model"], str(size), str(steps), mean_std(row["best_epoch"], 0), *cells])
    columns = ["model", "batches per step", "steps per epoch", "best epoch"]
    columns += [text for metric in PAIRED for text in (metric, "to one batch")]
    notes = [
        "to one batch: difference in the test metric from one batch per step, paired by seed, ± "
        "its standard error"
    ]
    return Report(f"Steps on several batches on {extent(record)}", columns, rows, notes)
