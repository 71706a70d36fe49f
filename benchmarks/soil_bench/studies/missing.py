"""Accuracy as the features of items go missing, by what is done about it.

A share of all (item, modality) pairs loses its features; the pairs of a smaller share are among
those of a larger one. Three things can be done:

leave out: zeros mean that the item lacks the modality, as everywhere in the library, and SOIL's
graphs of that modality leave it out;
zero: the item stays in SOIL's graphs, similar to itself alone, as a vector of zeros is;
mean: the features are the mean of those that the other items have.

Finished runs are not run again. The table is kept in the folder "records" of the results.
"""

import copy
import sys
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import OpenUnitInterval
from rich.console import Console
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.runs.experiment import (
    Experiment,
    Profile,
    Record,
    Variant,
    add_arguments,
    describe,
    metrics_of,
    names_of,
    write_record,
)
from soil_bench.runs.job import Job
from soil_bench.runs.results import mean_std, read_records, run_key
from soil_bench.runs.tables import Report, print_report
from soil_bench.studies.derived_data import DerivedData, check_features, run_all
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import SOILGraphs
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of
from soil_pyg.workflow.options import ModelOptions

RATES = [0.1, 0.3, 0.5]
ZERO_MODELS = {"soil": "zero_features:ZeroSOIL"}
"""For models whose graphs leave items out, those whose graphs do not."""
REFERENCE = "lightgcn"
"""A model that reads no features."""


def main(argv: list[str]) -> int:
    """Runs what is not finished, prints and writes the table, and returns the exit code.

    Args:
        argv (list[str]): The arguments of the command line.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
        ValueError: If a setting cannot be right, or the data has no features.
        FailedRunsError: If a run fails.
    """
    parser = ArgumentParser(
        prog="run.py missing", description=__doc__, allow_abbrev=False, exit_on_error=False
    )
    add_arguments(parser)
    parser.add_argument("--models", default="soil", help="names between commas")
    parser.add_argument(
        "--profile",
        type=Profile,
        default="released",
        help="for the models that have profiles",
    )
    parser.add_argument(
        "--rates", type=OpenUnitInterval, nargs="+", default=RATES, help="the shares that miss"
    )
    arguments = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    experiment = Experiment(arguments, console)
    record = measure(experiment, arguments)
    write_record(experiment, "missing", record)
    print_report(missing_report(record), console)
    return 0


def measure(experiment: Experiment, arguments: Namespace) -> Record:
    """Returns the record of the table.

    Args:
        experiment (Experiment): The experiment.
        arguments (Namespace): The arguments of the command.

    Raises:
        ValueError: If a setting cannot be right, or the data has no features.
        FailedRunsError: If a run fails.
    """
    check_features(experiment.data)
    names = names_of(arguments.models)
    for name in names:
        if not ModelOptions(name).model_class.multimodal:
            raise ValueError(f"'--models' must name models that read features (got '{name}')")
    rates = sorted(set(arguments.rates))
    derived = DerivedData(experiment)
    jobs: dict[tuple[str, str, str], list[Job]] = {
        (REFERENCE, WITHOUT, INTACT): experiment.jobs(Variant(REFERENCE, REFERENCE))
    }
    for name in names:
        variant = Variant(name, name, arguments.profile)
        jobs[name, LEAVE_OUT, INTACT] = experiment.jobs(variant)
    for rate in rates:
        for seed in range(experiment.num_seeds):
            for name, treatment, job in jobs_of(derived, names, arguments.profile, rate, seed):
                jobs.setdefault((name, treatment, str(rate)), []).append(job)
    flat = [job for group in jobs.values() for job in group]
    run_all(experiment, flat)
    runs = read_records(flat[0].results_file)
    rows: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = {}
    for (name, treatment, rate), group in jobs.items():
        values = metrics_of([runs[run_key(job.record)] for job in group])
        rows.setdefault(name, {}).setdefault(treatment, {})[rate] = values
    described = describe(experiment, [runs[run_key(job.record)] for job in flat])
    return described | {
        "models": arguments.models,
        "profile": arguments.profile,
        "rates": [INTACT, *map(str, rates)],
        "values": rows,
    }


def jobs_of(
    derived: DerivedData, names: list[str], profile: str, rate: float, seed: int
) -> list[tuple[str, str, Job]]:
    """Returns the runs of all models for one share and seed, by model and treatment.

    Args:
        derived (DerivedData): Where the data goes.
        names (list[str]): The models.
        profile (str): The profile, for the models that have profiles.
        rate (float): The share.
        seed (int): The seed.

    Raises:
        ValueError: If a setting cannot be right.
    """
    experiment = derived.experiment
    zeros, mean = (derived.name(what, rate, f"seed{seed}") for what in ("zeros", "mean"))
    lacking = without_features(experiment.data, rate, seed)
    derived.add(zeros, lacking)
    derived.add(mean, with_mean_features(lacking))
    found = []
    for name in names:
        variant = Variant(name, name, profile)
        found.append((name, LEAVE_OUT, derived.job(variant, zeros, seed)))
        if name in ZERO_MODELS:
            # The package has no settings for a model of one's own.
            given = {} if experiment.epochs is None else {"epochs": experiment.epochs}
            options = ModelOptions(name).settings(experiment.plan.dataset, profile, given)
            kept = Variant(name, ZERO_MODELS[name], profile, options)
            found.append((name, ZERO, derived.job(kept, zeros, seed)))
        found.append((name, MEAN, derived.job(variant, mean, seed)))
    return found


def without_features(data: HeteroData, rate: float, seed: int) -> HeteroData:
    """Returns the data with zeros for a share of the features.

    Args:
        data (HeteroData): The data.
        rate (float): The share.
        seed (int): The seed; more are missing at a larger share, and the same ones beside.
    """
    rng = np.random.default_rng(seed)
    out = copy.copy(data)
    for modality in modalities_of(data):
        name = FEATURE_PREFIX + modality
        is_lost = torch.from_numpy(rng.random(data[ITEM].num_nodes) < rate)
        out[ITEM][name] = data[ITEM][name].masked_fill(is_lost.unsqueeze(1), 0.0)
    return out


def with_mean_features(data: HeteroData) -> HeteroData:
    """Returns the data with the mean of the items' features where an item has none.

    Args:
        data (HeteroData): The data.
    """
    out = copy.copy(data)
    for modality in modalities_of(data):
        name = FEATURE_PREFIX + modality
        x = data[ITEM][name]
        lacks = (x == 0).all(dim=1)
        mean = x[~lacks].double().mean(dim=0).to(x) if not lacks.all() else x[0]
        out[ITEM][name] = torch.where(lacks.unsqueeze(1), mean, x)
    return out


Record = dict[str, Any]
INTACT = "0"
LEAVE_OUT, ZERO, MEAN, WITHOUT = "leave out", "zero", "mean", "reads no features"
METRICS = ("recall@20", "ndcg@20")


def missing_report(record: Record) -> Report:
    """Returns the table: a row a model, treatment and metric, a column a share.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py missing`.
    """
    rates = record["rates"]
    rows = []
    for model, treatments in record["values"].items():
        for treatment, by_rate in treatments.items():
            # What is done does not matter where nothing is missing.
            shared = {} if treatment == WITHOUT else treatments[LEAVE_OUT]
            for metric in METRICS:
                found = [
                    by_rate.get(rate, shared.get(rate) if rate == INTACT else None)
                    for rate in rates
                ]
                cells = [mean_std(values[metric], 4) if values else "-" for values in found]
                rows.append([model, treatment, metric, *cells])
    seeds = f"{record['seeds']} seeds" if record["seeds"] > 1 else "one seed"
    limit = "" if record["epochs"] is None else f", at most {record['epochs']} epochs a run"
    notes = [
        "leave out: not in the graphs of that modality; zero: in them, similar to itself alone; "
        "mean: with the mean of the others' features",
        "mean ± sample standard deviation over seeds; 0 is the data as it is",
    ]
    columns = ["model", "missing", "metric", *(f"{float(rate):.0%}" for rate in rates)]
    title = f"Features that go missing, {record['dataset']}, {seeds}{limit}"
    return Report(title, columns, rows, notes)


class ZeroSOILGraphs(SOILGraphs):
    """Makes the graphs of SOIL with items of zeros in them.

    An item without features is similar to itself alone, and to no other item: it has an edge to
    itself in the modality's graphs, and is nobody's second-order item, as the product of the
    similarities is zero. The library leaves such an item out of the modality's graphs and of the
    product.

    Args:
        **options (optional): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
    """

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        names = [FEATURE_PREFIX + modality for modality in modalities_of(data)]
        given = {name: data[ITEM][name] for name in names}
        for name, x in given.items():
            data[ITEM][name] = with_own_directions(x)
        data = super().forward(data)
        for name, x in given.items():
            data[ITEM][name] = x
        return data


class ZeroSOIL(SOIL):
    """SOIL on the graphs of :class:`ZeroSOILGraphs`; arguments as for the class."""

    @classmethod
    def graph_transform(cls, profile: str = "paper", **options: Any) -> SOILGraphs:
        """Returns the transform that makes the graphs.

        Args:
            profile (str, optional): The profile whose options are the defaults.
                (default: :obj:`"paper"`)
            **options (optional): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
        """
        return ZeroSOILGraphs(**{**cls.profile_options(profile, SOILGraphs), **options})


def with_own_directions(x: Tensor) -> Tensor:
    """Gives each row of zeros a column of its own, in which it alone is one.

    Args:
        x (Tensor): The features.

    Example:
        >>> with_own_directions(torch.tensor([[0.0], [2.0], [0.0]]))
        tensor([[0., 1., 0.],
                [2., 0., 0.],
                [0., 0., 1.]])
    """
    zero = (x == 0).all(dim=1).nonzero().view(-1)
    own = x.new_zeros(len(x), len(zero))
    own[zero, torch.arange(len(zero), device=x.device)] = 1
    return torch.cat([x, own], dim=1)
