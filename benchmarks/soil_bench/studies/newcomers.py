"""How well items and users are served that came after the training.

Models are trained without a share of the items, which are then placed by their features, and
without a share of the users, who are then placed by a few interactions. Held-out items are ranked
among themselves for every user; held-out users have all items ranked but their training ones.
Finished runs are not run again. The table is kept in the folder "records" of the results.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import OpenUnitInterval, PositiveInt
from rich.console import Console
from torch_geometric.data import HeteroData

from soil_bench.runs.experiment import (
    Experiment,
    Profile,
    Record,
    Variant,
    add_arguments,
    describe,
    names_of,
    write_record,
)
from soil_bench.runs.job import Job
from soil_bench.runs.results import mean_std, read_records, run_key
from soil_bench.runs.tables import Report, print_report
from soil_bench.studies.derived_data import (
    DerivedData,
    check_features,
    run_all,
    without_items,
    without_users,
)
from soil_bench.studies.newcomers_measure import METRICS, NewItems, NewUsers, Values
from soil_pyg.runs.checkpoint import load
from soil_pyg.typing import INTERACTS

MODELS = "soil,lightgcn,bpr"
HISTORIES = [1, 3, 5]


def main(argv: list[str]) -> int:
    """Runs what is not finished, prints and writes the tables, and returns the exit code.

    Args:
        argv (list[str]): The arguments of the command line.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
        ValueError: If a setting cannot be right, or the data has no features.
        FailedRunsError: If a run fails.
    """
    parser = ArgumentParser(
        prog="run.py newcomers", description=__doc__, allow_abbrev=False, exit_on_error=False
    )
    add_arguments(parser)
    parser.add_argument("--models", default=MODELS, help="names between commas")
    parser.add_argument(
        "--profile",
        type=Profile,
        default="released",
        help="for the models that have profiles",
    )
    parser.add_argument(
        "--share", type=OpenUnitInterval, default=0.1, help="of the items and users to hold out"
    )
    parser.add_argument(
        "--histories",
        type=PositiveInt,
        nargs="+",
        default=HISTORIES,
        help="how many interactions of a held-out user are known, beside all",
    )
    parser.add_argument("--k", type=PositiveInt, default=20, help="neighbours of the feature kNN")
    arguments = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    experiment = Experiment(arguments, console)
    record = measure(experiment, arguments)
    write_record(experiment, "newcomers", record)
    for report in reports(record):
        print_report(report, console)
    return 0


class HeldOut(NamedTuple):
    """What is held out under one seed, and the runs without it by the names of the models."""

    items: NewItems
    users: NewUsers
    item_jobs: dict[str, Job]
    user_jobs: dict[str, Job]


def measure(experiment: Experiment, arguments: Namespace) -> Record:
    """Returns the record of the tables.

    Args:
        experiment (Experiment): The experiment.
        arguments (Namespace): The arguments of the command.

    Raises:
        ValueError: If a setting cannot be right, or the data has no features.
        FailedRunsError: If a run fails.
    """
    check_features(experiment.data)
    names = names_of(arguments.models)
    variants = [Variant(name, name, arguments.profile) for name in names]
    whole = {variant.label: experiment.jobs(variant) for variant in variants}
    derived = DerivedData(experiment)
    seeds = [
        hold_out(derived, variants, arguments.share, seed) for seed in range(experiment.num_seeds)
    ]
    groups = [group for one in seeds for group in (one.item_jobs, one.user_jobs)]
    jobs = [job for group in groups for job in group.values()]
    run_all(experiment, [*jobs, *(job for group in whole.values() for job in group)])
    runs = read_records(jobs[0].results_file)
    return describe(experiment, [runs[run_key(job.record)] for job in jobs]) | {
        "models": arguments.models,
        "profile": arguments.profile,
        "share": arguments.share,
        "histories": arguments.histories,
        "k": arguments.k,
        "held_out_items": seeds[0].items.task.num_items,
        "held_out_users": seeds[0].users.task.num_users,
        "items": item_values(seeds, arguments.k),
        "users": user_values(seeds, arguments.k, arguments.histories)
        | {
            TRAINED.format(name): {
                ALL: [
                    of_trained(job, experiment.data, one.users)
                    for job, one in zip(group, seeds, strict=True)
                ]
            }
            for name, group in whole.items()
        },
    }


def hold_out(derived: DerivedData, variants: list[Variant], share: float, seed: int) -> HeldOut:
    """Draws items and users, and makes the data and the runs without them.

    Args:
        derived (DerivedData): Where the data goes.
        variants (list[Variant]): The models.
        share (float): The share of the items with interactions and of the users that are tested.
        seed (int): The seed.

    Raises:
        ValueError: If a setting cannot be right.
    """
    data = derived.experiment.data
    items = draw(data[INTERACTS].edge_index[1].numpy(), share, seed)
    users = draw(data[INTERACTS].test_edge_label_index[0].numpy(), share, seed)
    no_items, no_users = (derived.name(what, share, f"seed{seed}") for what in ("items", "users"))
    return HeldOut(
        NewItems.make(data, derived.add(no_items, without_items(data, items)), items),
        NewUsers.make(data, derived.add(no_users, without_users(data, users)), users, seed),
        {variant.label: derived.job(variant, no_items, seed) for variant in variants},
        {variant.label: derived.job(variant, no_users, seed) for variant in variants},
    )


def item_values(seeds: list[HeldOut], k: int) -> dict[str, list[Values]]:
    """Returns the metrics of held-out items, of each model and baseline a value a seed.

    Args:
        seeds (list[HeldOut]): What is held out under each seed.
        k (int): The neighbours of the feature kNN.
    """
    found: dict[str, list[Values]] = {}
    for one in seeds:
        values = {name: one.items.measure(load(job.folder)) for name, job in one.item_jobs.items()}
        for name, value in (values | one.items.baselines(k)).items():
            found.setdefault(name, []).append(value)
    return found


def user_values(
    seeds: list[HeldOut], k: int, histories: list[int]
) -> dict[str, dict[str, list[Values]]]:
    """Returns the metrics of held-out users by the number of their known interactions, of each
    model and baseline a value a seed.

    Args:
        seeds (list[HeldOut]): What is held out under each seed.
        k (int): The neighbours of the feature kNN.
        histories (list[int]): How many interactions are known, beside all.
    """
    sizes: dict[str, int | None] = {str(size): size for size in sorted(set(histories))}
    sizes[ALL] = None
    found: dict[str, dict[str, list[Values]]] = {}
    for one in seeds:
        trained = {name: load(job.folder) for name, job in one.user_jobs.items()}
        for text, size in sizes.items():
            values = {name: one.users.measure(run, size) for name, run in trained.items()}
            for name, value in (values | one.users.baselines(k, size)).items():
                found.setdefault(name, {}).setdefault(text, []).append(value)
    return found


def draw(nodes: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Returns a share of the distinct nodes, at least one, ascending.

    Args:
        nodes (numpy.ndarray): The nodes.
        share (float): The share.
        seed (int): The seed.
    """
    distinct = np.unique(nodes)
    count = max(1, round(share * len(distinct)))
    return np.sort(np.random.default_rng(seed).choice(distinct, count, replace=False))


def of_trained(job: Job, data: HeteroData, new: NewUsers) -> Values:
    """Returns the metrics of a run on all data, over the held-out users alone.

    Args:
        job (Job): The run, whose metrics of every user are kept.
        data (HeteroData): Its data.
        new (NewUsers): The held-out users.
    """
    tested = np.unique(data[INTERACTS].test_edge_label_index[0].numpy())
    places = np.searchsorted(tested, new.users)
    with np.load(job.users_file) as values:
        return {name: float(values[name][places].mean(dtype=np.float64)) for name in METRICS}


Record = dict[str, Any]
ALL = "all"
TRAINED = "{}, trained with them"


def reports(record: Record) -> list[Report]:
    """Returns the table of held-out items and that of held-out users.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py newcomers`.
    """
    return [items_report(record), users_report(record)]


def items_report(record: Record) -> Report:
    """Returns the table of held-out items.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py newcomers`.
    """
    metrics = list(next(iter(record["items"].values()))[0])
    rows = [
        [name, *(mean_std([value[metric] for value in values], 4) for metric in metrics)]
        for name, values in record["items"].items()
    ]
    count = record["held_out_items"]
    chance = min(1.0, 20 / count)
    notes = [
        f"{count:,} items ranked among themselves; at random, recall@20 is {chance:.4f}",
        "popularity: the mean number of interactions of the nearest known items; "
        + _feature_knn(record),
    ]
    return Report(_title("Items that came later", record), ["model", *metrics], rows, notes)


def users_report(record: Record) -> Report:
    """Returns the table of held-out users.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py newcomers`.
    """
    sizes = list(next(iter(record["users"].values())))
    rows = []
    for name, by_size in record["users"].items():
        found = [[value["recall@20"] for value in by_size.get(size, [])] for size in sizes]
        rows.append([name, *(mean_std(values, 4) for values in found)])
    notes = [
        f"{record['held_out_users']:,} users, recall@20 over all items but their training ones",
        _feature_knn(record),
    ]
    columns = ["model", *(f"{size} known" for size in sizes)]
    return Report(_title("Users that came later", record), columns, rows, notes)


def _feature_knn(record: Record) -> str:
    return (
        f"feature kNN: the similarities of the user's items to the candidate, counted if among its "
        f"{record['k']} nearest, summed over the modalities"
    )


def _title(what: str, record: Record) -> str:
    seeds = f"{record['seeds']} seeds" if record["seeds"] > 1 else "one seed"
    limit = "" if record["epochs"] is None else f", at most {record['epochs']} epochs a run"
    return f"{what}, {record['share']:.0%} held out of {record['dataset']}, {seeds}{limit}"
