"""The records of experiments: what was run, the metrics over seeds, and their files."""

from statistics import fmean
from typing import Any

import numpy as np

from experiment import Experiment, Record
from measurements import write_json
from results import METRICS
from significance import mean_and_error

FOLDER = "records"
Values = dict[str, list[float]]


def describe(experiment: Experiment, runs: list[Record]) -> Record:
    """Returns what an experiment was run on, how and where.

    Args:
        experiment (Experiment): The experiment.
        runs (list[dict[str, Any]]): All its runs.
    """
    versions: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run["versions"].items():
            versions.setdefault(name, set()).add(value)
    return {
        "dataset": experiment.plan.dataset,
        "data_digest": experiment.data.digest,
        "seeds": experiment.num_seeds,
        "epochs": experiment.epochs,
        "versions": {name: " and ".join(sorted(values)) for name, values in versions.items()},
    }


def write_record(experiment: Experiment, name: str, record: Record) -> None:
    """Writes the record of an experiment where the page of results looks for it.

    Args:
        experiment (Experiment): The experiment.
        name (str): The name of the table.
        record (dict[str, Any]): The record.
    """
    write_json(experiment.out / FOLDER / f"{name}-{experiment.plan.dataset}.json", record)


def metrics_of(runs: list[Record]) -> Values:
    """Returns the test metrics of runs, a value a seed.

    Args:
        runs (list[dict[str, Any]]): The runs of one variant.
    """
    return {name: [run["test"][name] for run in runs] for name in METRICS}


def csv_columns(values: Values, published: dict[str, float]) -> dict[str, Any]:
    """Returns mean, standard deviation and published value of each metric, by column.

    Args:
        values (dict[str, list[float]]): The metrics, a value a seed.
        published (dict[str, float]): The published values, as far as there are any.
    """
    columns: dict[str, Any] = {}
    for name, found in values.items():
        columns[name] = fmean(found)
        columns[f"{name} std"] = float(np.std(found, ddof=1)) if len(found) > 1 else np.nan
        columns[f"{name} published"] = published.get(name, np.nan)
    return columns


def paired_difference(values: list[float], start: list[float]) -> dict[str, float | None]:
    """Returns the mean and the standard error of the differences, paired by seed.

    Args:
        values (list[float]): The values, one a seed.
        start (list[float]): What they are compared with, one a seed.
    """
    differences = np.array(values) - np.array(start)
    if len(differences) < 2:
        return {"difference": float(differences.mean()), "standard_error": None}
    mean, error = mean_and_error(differences)
    return {"difference": mean, "standard_error": error}
