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

import numpy as np
import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import OpenUnitInterval
from rich.console import Console
from torch_geometric.data import HeteroData

from derived_data import DerivedData, check_features, run_all
from experiment import Experiment, Profile, Record, Variant, add_arguments, names_of
from experiment_records import describe, metrics_of, write_record
from job import Job
from missing_report import INTACT, LEAVE_OUT, MEAN, WITHOUT, ZERO, missing_report
from options import Selected
from report import print_report
from results import read_records, run_key
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of

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
        if not Selected(name).model_class.multimodal:
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
            options = Selected(name).settings(experiment.plan.dataset, profile, given)
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
