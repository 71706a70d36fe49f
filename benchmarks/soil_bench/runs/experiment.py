"""Experiments: runs of variants of models over seeds, and their records."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import Namespace
from rich.console import Console
from torch_geometric.data import HeteroData

from soil_bench.runs.arguments import execution_of
from soil_bench.runs.jobs import Job, Plan, make_jobs, run_jobs
from soil_bench.runs.results import METRICS, Record, joined, read_records
from soil_bench.runs.run_job import load_data
from soil_bench.runs.significance import mean_and_error
from soil_pyg.cli.errors import FailureError
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import atomic_path, write_json
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.settings_on import settings_on
from soil_pyg.workflow.train import DEVICE_TYPES

RECORDS_FOLDER = "records"
PAPER_FOLDER = "paper"
Values = dict[str, list[float]]


class FailedRunsError(FailureError):
    """Some runs of an experiment failed; each has reported its error."""


@dataclass(frozen=True)
class Variant:
    """A model with some of its options set.

    Args:
        label (str): The name in a table.
        model (str): The name of the model.
        profile (str, optional): The profile, for a model that has profiles.
            (default: :obj:`"released"`)
        options (dict[str, Any], optional): The options that differ from those of the profile and
            the configuration. (default: none)
    """

    label: str
    model: str
    profile: str = "released"
    options: dict[str, Any] = field(default_factory=dict)


class Experiment:
    """Runs variants on a data set; finished runs are not run again.

    Args:
        arguments (Namespace): The values of
            :func:`~soil_bench.runs.arguments.add_run_arguments`.
        console (Console): The console for progress.

    Raises:
        ValueError: If the device or the executor is not available.
    """

    def __init__(self, arguments: Namespace, console: Console) -> None:
        self.console = console
        self.num_seeds: int = arguments.seeds
        self.execution = execution_of(arguments)
        self.epochs: int | None = arguments.epochs
        self.out = Path(arguments.out)
        device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
        self.plan = Plan(arguments.dataset, arguments.root, arguments.out, device)

    @cached_property
    def data(self) -> HeteroData:
        """The data, without graphs."""
        return load_data(self.plan.dataset, self.plan.root)

    def settings(self, variant: Variant) -> dict[str, Any]:
        """Returns the value of each option of a variant.

        Raises:
            ValueError: If an option is invalid.
        """
        given = {} if self.epochs is None else {"epochs": self.epochs}
        selected, given = ModelOptions(variant.model), given | variant.options
        return settings_on(self.data, selected, self.plan.dataset, variant.profile, given)

    def jobs(self, variant: Variant) -> list[Job]:
        """Returns the run of each seed.

        Raises:
            ValueError: If an option is invalid.
        """
        selected, settings = ModelOptions(variant.model), self.settings(variant)
        return make_jobs(self.plan, self.data, selected, variant.profile, settings, self.num_seeds)

    def run(self, variants: list[Variant]) -> list[list[Record]]:
        """Executes unfinished runs and returns the records of each variant, one per seed.

        Args:
            variants (list[Variant]): The variants. Those with the same settings share their runs.

        Raises:
            ValueError: If an option is invalid.
            FailedRunsError: If a run fails.
        """
        jobs = [self.jobs(variant) for variant in variants]
        records = self.finish(job for group in jobs for job in group)
        return [[records[job.key] for job in group] for group in jobs]

    def finish(self, jobs: Iterable[Job]) -> dict[str, Record]:
        """Executes unfinished runs and returns all finished runs by their keys.

        Raises:
            FailedRunsError: If a run fails.
        """
        failed = self.try_to_finish(jobs)
        if failed:
            raise FailedRunsError(f"failed: {', '.join(failed)}")
        return read_records(self.plan.results_file)

    def try_to_finish(self, jobs: Iterable[Job]) -> list[str]:
        """Executes unfinished runs and returns the keys of the runs that failed."""
        distinct = list({job.key: job for job in jobs}.values())
        return [job.key for job in run_jobs(distinct, self.console, execution=self.execution)]


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes a table atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def describe(experiment: Experiment, runs: list[Record]) -> Record:
    """Returns the data, the number of runs and the versions of an experiment."""
    return {
        "dataset": experiment.plan.dataset,
        "data_digest": experiment.data.digest,
        "seeds": experiment.num_seeds,
        "epochs": experiment.epochs,
        "versions": joined(run["versions"] for run in runs),
    }


def extent(record: Record) -> str:
    """Returns the data set, the number of seeds and the maximum number of epochs as text.

    Args:
        record (dict[str, Any]): A record that begins with :func:`describe`.
    """
    seeds = f"{record['seeds']} seeds" if record["seeds"] > 1 else "one seed"
    limit = "" if record["epochs"] is None else f", at most {record['epochs']} epochs per run"
    return f"{record['dataset']}, {seeds}{limit}"


def record_path(experiment: Experiment, name: str) -> Path:
    """Returns the file of the record of an experiment, in the folder that the page of results
    reads.
    """
    return experiment.out / RECORDS_FOLDER / f"{name}-{experiment.plan.dataset}.json"


def write_record(experiment: Experiment, name: str, record: Record) -> None:
    """Writes the record of an experiment."""
    write_json(record_path(experiment, name), record)


def metrics_of(runs: list[Record]) -> Values:
    """Returns the test metrics of runs, one value per seed."""
    return {name: [run["test"][name] for run in runs] for name in METRICS}


def csv_columns(values: Values, published: dict[str, float]) -> dict[str, Any]:
    """Returns mean, standard deviation and published value of each metric, by column."""
    columns: dict[str, Any] = {}
    for name, found in values.items():
        mean, std = over_seeds(found)
        columns |= {name: mean, f"{name} std": std}
        columns[f"{name} published"] = published.get(name, np.nan)
    return columns


def over_seeds(values: list[float]) -> tuple[float, float]:
    """Returns the mean and the sample standard deviation, which is NaN for a single value."""
    return fmean(values), float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def paired_difference(values: list[float], start: list[float]) -> dict[str, float | None]:
    """Returns the mean and the standard error of the differences, paired by seed."""
    differences = np.array(values) - np.array(start)
    if len(differences) < 2:
        return {"difference": float(differences.mean()), "standard_error": None}
    mean, error = mean_and_error(differences)
    return {"difference": mean, "standard_error": error}
