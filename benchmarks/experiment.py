"""What the experiments share: their arguments, and runs of variants of models over seeds."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from rich.console import Console
from torch_geometric.data import HeteroData

from job import Job, load_data
from jobs import Plan, make_jobs, resolve_device, run_jobs
from options import Selected
from results import read_records, run_key

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
        device = resolve_device(arguments.device)
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
        selected = Selected(variant.model)
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
    """Writes a table beside its place and renames it.

    Args:
        table (pandas.DataFrame): The table, without an index that matters.
        path (Path): The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    table.to_csv(temporary, index=False, float_format="%.6g")
    os.replace(temporary, path)
