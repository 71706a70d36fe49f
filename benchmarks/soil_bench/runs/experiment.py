"""What the experiments share: their arguments, and runs of variants of models over seeds."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from rich.console import Console
from torch_geometric.data import HeteroData

from soil_bench.runs.job import Job, load_data
from soil_bench.runs.jobs import Plan, make_jobs, run_jobs
from soil_bench.runs.results import METRICS, read_records, run_key
from soil_bench.runs.significance import mean_and_error
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import atomic_path, write_json
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.train import DEVICE_TYPES

Record = dict[str, Any]
Profile = Literal["paper", "released", "best"]
"""The profiles of SOIL, the model that has some."""


class FailedRunsError(RuntimeError):
    """Some runs of an experiment failed; each has said why."""


@dataclass(frozen=True)
class Variant:
    """A model with some of its options set.

    Args:
        label (str): What it is called in a table.
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


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments that all experiments have.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.add_argument("--dataset", default="synthetic", help="its name, or that of its folder")
    parser.add_argument("--root", default="data", help="the folder that holds the data sets")
    parser.add_argument("--seeds", type=PositiveInt, default=3, help="their number N: 0 to N - 1")
    parser.add_argument("--epochs", type=PositiveInt, help="the most epochs of every run")
    parser.add_argument("--device", type=Literal["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--out", default="results", help="the folder of the results")
    parser.add_argument(
        "--workers", type=PositiveInt, default=1, help="how many runs at a time, on as many cores"
    )


class Experiment:
    """Runs variants on a data set; finished runs are not run again.

    Args:
        arguments (Namespace): The values of :func:`add_arguments`.
        console (Console): Where to say what is done.

    Raises:
        ValueError: If the data cannot be right.
        OSError: If a file is missing.
    """

    def __init__(self, arguments: Namespace, console: Console) -> None:
        self.console = console
        self.num_seeds: int = arguments.seeds
        self.workers: int = arguments.workers
        self.epochs: int | None = arguments.epochs
        self.out = Path(arguments.out)
        device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
        self.plan = Plan(arguments.dataset, arguments.root, arguments.out, device)

    @cached_property
    def data(self) -> HeteroData:
        """The data, without graphs."""
        return load_data(self.plan.dataset, self.plan.root)

    def jobs(self, variant: Variant) -> list[Job]:
        """Returns the run of each seed.

        Args:
            variant (Variant): The variant.

        Raises:
            ValueError: If an option cannot be right.
        """
        selected = ModelOptions(variant.model)
        given = {} if self.epochs is None else {"epochs": self.epochs}
        settings = selected.settings(self.plan.dataset, variant.profile, given | variant.options)
        return make_jobs(self.plan, self.data, selected, variant.profile, settings, self.num_seeds)

    def run(self, variants: list[Variant]) -> list[list[Record]]:
        """Runs what is not finished and returns the records of each variant, a seed each.

        Args:
            variants (list[Variant]): The variants. Those with the same settings share their runs.

        Raises:
            ValueError: If an option cannot be right.
            FailedRunsError: If a run fails.
        """
        jobs = [self.jobs(variant) for variant in variants]
        distinct = {run_key(job.record): job for group in jobs for job in group}
        failed = run_jobs(list(distinct.values()), self.console, workers=self.workers)
        if failed:
            raise FailedRunsError(f"failed: {', '.join(run_key(job.record) for job in failed)}")
        records = read_records(next(iter(distinct.values())).results_file)
        return [[records[run_key(job.record)] for job in group] for group in jobs]


def names_of(models: str) -> list[str]:
    """Returns the names of models that are written between commas.

    Args:
        models (str): The names.

    Raises:
        ValueError: If a name is there twice.
    """
    names = [name.strip() for name in models.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"'--models' must name each model once (got '{models}')")
    return names


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes a table atomically.

    Args:
        table (pandas.DataFrame): The table, without an index that matters.
        path (Path): The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


RECORDS_FOLDER = "records"
PAPER_FOLDER = "paper"
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
    write_json(experiment.out / RECORDS_FOLDER / f"{name}-{experiment.plan.dataset}.json", record)


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
