"""Accuracy by the share of missing features and by their treatment.

A share of all (item, modality) pairs loses its features; the pairs of a smaller share are a subset
of those of a larger one. There are three treatments:

leave out: zeros mean that the item lacks the modality, as everywhere in the library, and SOIL's
graphs of that modality leave it out;
zero: the item stays in SOIL's graphs, similar only to itself;
mean: the features are the mean over the items that have some.

With --mask, the lost features are those of a file: a JSON object that lists, by modality, the
numbers of the items that lack it, such as {"image": [0, 7], "text": [7]}.

Finished runs are not run again. The table is written to the folder "records" of the results.
"""

import copy
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jsonargparse import Namespace
from jsonargparse.typing import OpenUnitInterval
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.runs.arguments import make_console, names_of, study_parser
from soil_bench.runs.experiment import (
    Experiment,
    Variant,
    describe,
    extent,
    metrics_of,
    write_record,
)
from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.results import Record, mean_std
from soil_bench.runs.tables import Report, print_report
from soil_bench.studies.derived_data import DerivedData, check_features
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of
from soil_pyg.utils.files import digest_of
from soil_pyg.utils.records import parse_json
from soil_pyg.workflow.options import ModelOptions

Mask: TypeAlias = dict[str, Tensor]
"""By modality, which items lack their features."""
RATES = [0.1, 0.3, 0.5]
INTACT = "0"
"""The share of the original data."""
LEAVE_OUT, ZERO, MEAN, WITHOUT = "leave out", "zero", "mean", "reads no features"
ZERO_MODELS = {"soil": "soil_bench.studies.zero_features:ZeroSOIL"}
"""For models whose graphs leave items out, the models whose graphs do not."""
REFERENCE = "lightgcn"
"""A model that reads no features."""


def main(argv: list[str]) -> int:
    """Executes unfinished runs, prints and writes the table, and returns the exit code."""
    parser = study_parser("missing", __doc__, "soil")
    parser.add_argument(
        "--rates", type=OpenUnitInterval, nargs="+", default=RATES, help="missing shares"
    )
    parser.add_argument("--mask", help="file of the items that lack each modality, in JSON")
    arguments = parser.parse_args(argv)
    experiment = Experiment(arguments, make_console())
    record = measure(experiment, arguments)
    write_record(experiment, "missing", record)
    print_report(missing_report(record), experiment.console)
    return 0


def measure(experiment: Experiment, arguments: Namespace) -> Record:
    """Returns the record of the table; raises :class:`FailedRunsError` if a run fails."""
    check_features(experiment.data)
    names = names_of(arguments.models)
    for name in names:
        if not ModelOptions(name).model_class.multimodal:
            raise ValueError(f"'--models' must name models that read features (got '{name}')")
    rates = sorted(set(arguments.rates))
    mask = None if arguments.mask is None else read_mask(Path(arguments.mask), experiment.data)
    if mask is not None:
        if arguments.rates != RATES:
            raise ValueError(f"'--rates' must be left out with '--mask' (got {arguments.rates})")
        lost = sum(int(is_lost.sum()) for is_lost in mask.values())
        rates = [lost / (len(mask) * experiment.data[ITEM].num_nodes)]
    derived = DerivedData(experiment)
    jobs: dict[tuple[str, str, str], list[Job]] = {
        (REFERENCE, WITHOUT, INTACT): experiment.jobs(Variant(REFERENCE, REFERENCE))
    }
    for name in names:
        variant = Variant(name, name, arguments.profile)
        jobs[name, LEAVE_OUT, INTACT] = experiment.jobs(variant)
    for rate in rates:
        for seed in range(experiment.num_seeds):
            for name, treatment, job in jobs_of(
                derived, names, arguments.profile, rate, seed, mask
            ):
                jobs.setdefault((name, treatment, str(rate)), []).append(job)
    flat = [job for group in jobs.values() for job in group]
    runs = experiment.finish(flat)
    rows: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = {}
    for (name, treatment, rate), group in jobs.items():
        values = metrics_of([runs[job.key] for job in group])
        rows.setdefault(name, {}).setdefault(treatment, {})[rate] = values
    described = describe(experiment, [runs[job.key] for job in flat])
    return described | {
        "models": arguments.models,
        "profile": arguments.profile,
        "rates": [INTACT, *map(str, rates)],
        "mask": arguments.mask,
        "values": rows,
    }


def jobs_of(
    derived: DerivedData,
    names: list[str],
    profile: str,
    rate: float,
    seed: int,
    mask: Mask | None = None,
) -> list[tuple[str, str, Job]]:
    """Returns the runs of all models for one share, or the mask, and seed, by model and treatment.

    Raises:
        ValueError: If a setting is invalid.
    """
    experiment = derived.experiment
    share = rate if mask is None else f"mask{mask_digest(mask)}"
    zeros, mean = (derived.name(what, share, f"seed{seed}") for what in ("zeros", "mean"))
    if mask is None:
        mask = random_mask(experiment.data, rate, seed)
    lacking = without_features(experiment.data, mask)
    derived.add(zeros, lacking)
    derived.add(mean, with_mean_features(lacking))
    found = []
    for name in names:
        variant = Variant(name, name, profile)
        found.append((name, LEAVE_OUT, derived.job(variant, zeros, seed)))
        if name in ZERO_MODELS:
            # The package has no settings for a model outside of it.
            kept = Variant(name, ZERO_MODELS[name], profile, experiment.settings(variant))
            found.append((name, ZERO, derived.job(kept, zeros, seed)))
        found.append((name, MEAN, derived.job(variant, mean, seed)))
    return found


def random_mask(data: HeteroData, rate: float, seed: int) -> Mask:
    """Returns a random share of the features of each modality.

    Args:
        data (HeteroData): The data.
        rate (float): The share.
        seed (int): The seed, with which a larger share includes a smaller one.
    """
    rng, num_items = np.random.default_rng(seed), data[ITEM].num_nodes
    return {
        modality: torch.from_numpy(rng.random(num_items) < rate) for modality in modalities_of(data)
    }


def read_mask(path: Path, data: HeteroData) -> Mask:
    """Returns the features that a file says are lost.

    Raises:
        ValueError: If the file does not list items of the data by modality.
    """
    modalities, num_items = modalities_of(data), data[ITEM].num_nodes
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"'--mask': {path} is not JSON: {error}") from None
    if not isinstance(content, dict) or not set(content) <= set(modalities):
        raise ValueError(f"'--mask': {path} must hold an object with lists for {modalities}")
    mask = {modality: torch.zeros(num_items, dtype=torch.bool) for modality in modalities}
    for modality, items in content.items():
        for item in items if isinstance(items, list) else [items]:
            if type(item) is not int or not 0 <= item < num_items:
                raise ValueError(
                    f"'--mask': {path}: {modality!r} must list numbers from 0 to {num_items - 1} "
                    f"(got {item!r})"
                )
            mask[modality][item] = True
    return mask


def mask_digest(mask: Mask) -> str:
    """Returns a digest of lost features."""
    return digest_of({name: is_lost.tolist() for name, is_lost in mask.items()})[:8]


def without_features(data: HeteroData, mask: Mask) -> HeteroData:
    """Returns the data with zeros in place of the features that are lost."""
    out = copy.copy(data)
    for modality, is_lost in mask.items():
        name = FEATURE_PREFIX + modality
        out[ITEM][name] = data[ITEM][name].masked_fill(is_lost.unsqueeze(1), 0.0)
    return out


def with_mean_features(data: HeteroData) -> HeteroData:
    """Returns the data with mean features for items that have none."""
    out = copy.copy(data)
    for modality in modalities_of(data):
        name = FEATURE_PREFIX + modality
        x = data[ITEM][name]
        lacks = (x == 0).all(dim=1)
        mean = x[~lacks].double().mean(dim=0).to(x) if not lacks.all() else x[0]
        out[ITEM][name] = torch.where(lacks.unsqueeze(1), mean, x)
    return out


def missing_report(record: Record) -> Report:
    """Returns the table: one row per model, treatment and metric, one column per share.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py missing`.
    """
    rates = record["rates"]
    rows = []
    for model, treatments in record["values"].items():
        for treatment, by_rate in treatments.items():
            # Where nothing is missing, all treatments are the same.
            shared = {} if treatment == WITHOUT else treatments[LEAVE_OUT]
            for metric in PAIRED:
                found = [
                    by_rate.get(rate, shared.get(rate) if rate == INTACT else None)
                    for rate in rates
                ]
                cells = [mean_std(values[metric], 4) if values else "-" for values in found]
                rows.append([model, treatment, metric, *cells])
    notes = [
        "leave out: not in the graphs of that modality; zero: in them, similar only to itself; "
        "mean: with the mean features of the other items",
        "mean ± sample standard deviation over seeds; 0 is the original data",
    ]
    columns = ["model", "missing", "metric", *(f"{float(rate):.0%}" for rate in rates)]
    return Report(f"Missing features, {extent(record)}", columns, rows, notes)
