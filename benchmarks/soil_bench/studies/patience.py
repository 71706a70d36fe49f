"""Early stopping: the epoch at which a smaller patience would have ended the training of a model.

Trains each model with the largest patience. From its val metrics it replays the epoch at which each
smaller patience would have stopped, and the best val metric by then. The test split plays no part
in the comparison. Finished runs are not run again, and a later command for other models adds them
to the table in the folder "records" of the results.
"""

from statistics import fmean
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.runs.arguments import make_console, names_of, study_parser
from soil_bench.runs.experiment import (
    RECORDS_FOLDER,
    Experiment,
    Variant,
    describe,
    extent,
    write_record,
)
from soil_bench.runs.jobs import Job
from soil_bench.runs.results import CHOICE, Record, joined, mean_std
from soil_bench.runs.tables import Report, print_report
from soil_pyg.configs import available_configs, load_config
from soil_pyg.runs.checkpoint import load_run
from soil_pyg.utils.records import parse_json

PATIENCES = [10, 20, 30, 60, 100]
MODELS = ",".join(name for name in available_configs() if load_config(name).published)
"""The models that are trained."""
COMPARABLE = ("data_digest", "seeds", "profile", "patiences")
"""The entries of a record that must be equal for all models of a table."""


def main(argv: list[str]) -> int:
    """Executes unfinished runs, prints and writes the table, and returns the exit code."""
    parser = study_parser("patience", __doc__, MODELS)
    parser.add_argument(
        "--patiences", type=PositiveInt, nargs="+", default=PATIENCES, help="numbers of epochs"
    )
    arguments = parser.parse_args(argv)
    experiment = Experiment(arguments, make_console())
    record = with_earlier(measure(experiment, arguments), experiment)
    write_record(experiment, "patience", record)
    print_report(patience_report(record), experiment.console)
    return 0


def measure(experiment: Experiment, arguments: Namespace) -> Record:
    """Returns the record of the table; raises :class:`FailedRunsError` if a run fails."""
    patiences = sorted(set(arguments.patiences))
    options = {"patience": patiences[-1]}
    names = names_of(arguments.models)
    jobs = {
        name: experiment.jobs(Variant(name, name, arguments.profile, options)) for name in names
    }
    runs = experiment.finish(job for group in jobs.values() for job in group)
    rows = {}
    for name, group in jobs.items():
        curves = [val_curve(job) for job in group]
        rows[name] = {
            "at_most": experiment.epochs,
            "test": [runs[job.key]["test"][CHOICE] for job in group],
            "stops": {
                str(patience): [stop(curve, patience) for curve in curves] for patience in patiences
            },
        }
    described = describe(experiment, [runs[job.key] for group in jobs.values() for job in group])
    return described | {
        "epochs": None,
        "profile": arguments.profile,
        "patiences": patiences,
        "values": rows,
    }


def with_earlier(record: Record, experiment: Experiment) -> Record:
    """Returns a record with the models of the earlier one that it replaces, if only models and the
    number of epochs differ. Raises :class:`ValueError` if the earlier file is no record.
    """
    path = experiment.out / RECORDS_FOLDER / f"patience-{experiment.plan.dataset}.json"
    try:
        earlier = parse_json(path.read_bytes()) if path.exists() else {}
        if all(earlier.get(name) == record[name] for name in COMPARABLE):
            if earlier["values"].keys() - record["values"].keys():
                record["versions"] = joined([earlier["versions"], record["versions"]])
            record["values"] = earlier["values"] | record["values"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not a record of 'run.py patience' ({error!r}); remove it"
        ) from error
    return record | {"models": ",".join(record["values"])}


def val_curve(job: Job) -> list[float]:
    """Returns the val metric of each epoch of a finished run.

    Raises:
        ValueError: If the folder of the run is missing, or its model is not trained.
    """
    run = load_run(job.folder)
    if run is None:
        raise ValueError(
            f"the study requires the folder of a finished run, but '{job.folder}' is missing: "
            f"remove the line of seed {job.record['seed']} from {job.results_file} to train it "
            "again"
        )
    if not run["history"]:
        raise ValueError(f"'--models' must name models that are trained (got '{run['model']}')")
    return [epoch["val"][CHOICE] for epoch in run["history"]]


def stop(curve: list[float], patience: int) -> dict[str, Any]:
    """Returns the epochs that a patience allows, the best of them, its val metric, and the share
    that this lacks of the best val metric of the whole curve.

    Example:
        >>> stop([0.4, 0.2, 0.5], 1)
        {'epochs': 2, 'best_epoch': 1, 'val': 0.4, 'loss': 0.19999999999999996}
    """
    best = epoch = 0
    for epoch in range(1, len(curve) + 1):
        if best == 0 or curve[epoch - 1] > curve[best - 1]:
            best = epoch
        if epoch - best >= patience:
            break
    highest = max(curve)
    loss = 1 - curve[best - 1] / highest if highest > 0 else 0.0
    return {"epochs": epoch, "best_epoch": best, "val": curve[best - 1], "loss": loss}


def patience_report(record: Record) -> Report:
    """Returns the table: one row per model, one column per patience.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py patience`.
    """
    patiences = [str(patience) for patience in record["patiences"]]
    rows = []
    for model, found in record["values"].items():
        cells = [cell(found["stops"][patience]) for patience in patiences]
        rows.append([model, str(found["at_most"] or "-"), *cells, mean_std(found["test"], 4)])
    notes = [
        f"share of the best val {CHOICE} that the patience loses; in brackets, the best epoch and "
        "the number of epochs trained; means over seeds",
        "at most: --epochs, the maximum number of epochs",
        f"test: {CHOICE} with a patience of {patiences[-1]}",
    ]
    columns = ["model", "at most", *patiences, "test"]
    return Report(f"Patience on {extent(record)}", columns, rows, notes)


def cell(stops: list[dict[str, Any]]) -> str:
    """Returns the loss of a patience, its best epoch and its last epoch as text.

    Example:
        >>> cell([{"epochs": 2, "best_epoch": 1, "val": 0.4, "loss": 0.2}])
        '20.0 % (1 of 2)'
    """
    loss, best, epochs = (
        fmean(entry[name] for entry in stops) for name in ("loss", "best_epoch", "epochs")
    )
    return f"{loss:.1%} ({best:.0f} of {epochs:.0f})".replace("%", " %")
