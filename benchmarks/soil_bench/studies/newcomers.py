"""Accuracy for items and users that are added after training.

Models are trained without a share of the items, which are then placed by their features, and
without a share of the users, who are then placed by a few interactions. For every user the held-out
items are ranked among themselves; for held-out users all items but their training items are ranked.
Finished runs are not run again. The table is written to the folder "records" of the results.
"""

from typing import NamedTuple

import numpy as np
from jsonargparse import Namespace
from jsonargparse.typing import OpenUnitInterval, PositiveInt
from torch_geometric.data import HeteroData

from soil_bench.runs.arguments import make_console, names_of, study_parser
from soil_bench.runs.experiment import Experiment, Variant, describe, write_record
from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.results import Record
from soil_bench.runs.run_job import load_users
from soil_bench.runs.tables import print_report
from soil_bench.studies.derived_data import (
    DerivedData,
    check_features,
    without_items,
    without_users,
)
from soil_bench.studies.newcomers_measure import NewItems, NewUsers, Values
from soil_bench.studies.newcomers_report import reports
from soil_pyg.runs.checkpoint import load
from soil_pyg.typing import INTERACTS

MODELS = "soil,lightgcn,bpr"
HISTORIES = [1, 3, 5]
ALL = "all"
TRAINED = "{}, trained with them"


def main(argv: list[str]) -> int:
    """Executes unfinished runs, prints and writes the tables, and returns the exit code."""
    parser = study_parser("newcomers", __doc__, MODELS)
    parser.add_argument(
        "--share", type=OpenUnitInterval, default=0.1, help="held-out share of items and users"
    )
    parser.add_argument(
        "--histories",
        type=PositiveInt,
        nargs="+",
        default=HISTORIES,
        help="numbers of known interactions per held-out user, in addition to all",
    )
    parser.add_argument("--k", type=PositiveInt, default=20, help="neighbours of the feature kNN")
    arguments = parser.parse_args(argv)
    experiment = Experiment(arguments, make_console())
    record = measure(experiment, arguments)
    write_record(experiment, "newcomers", record)
    for report in reports(record):
        print_report(report, experiment.console)
    return 0


class HeldOut(NamedTuple):
    """Held-out items and users of one seed, and the runs without them by model."""

    items: NewItems
    users: NewUsers
    item_jobs: dict[str, Job]
    user_jobs: dict[str, Job]


def measure(experiment: Experiment, arguments: Namespace) -> Record:
    """Returns the record of the tables; raises :class:`FailedRunsError` if a run fails."""
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
    runs = experiment.finish([*jobs, *(job for group in whole.values() for job in group)])
    return describe(experiment, [runs[job.key] for job in jobs]) | {
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
    """Draws items and users, and prepares the data and the runs without them.

    Args:
        derived (DerivedData): The derived data sets.
        variants (list[Variant]): The models.
        share (float): The share of the items with interactions and of the users that are tested.
        seed (int): The seed.

    Raises:
        ValueError: If a setting is invalid.
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
    """Returns the metrics of held-out items, by model or baseline one value per seed."""
    found: dict[str, list[Values]] = {}
    for one in seeds:
        values = {name: one.items.measure(load(job.folder)) for name, job in one.item_jobs.items()}
        for name, value in (values | one.items.baselines(k)).items():
            found.setdefault(name, []).append(value)
    return found


def user_values(
    seeds: list[HeldOut], k: int, histories: list[int]
) -> dict[str, dict[str, list[Values]]]:
    """Returns the metrics of held-out users by the number of their known interactions, by model
    or baseline one value per seed.

    Args:
        seeds (list[HeldOut]): The held-out items and users of each seed.
        k (int): The neighbours of the feature kNN.
        histories (list[int]): The numbers of known interactions, in addition to all.
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
    """Returns a share of the distinct nodes, at least one, ascending."""
    distinct = np.unique(nodes)
    count = max(1, round(share * len(distinct)))
    return np.sort(np.random.default_rng(seed).choice(distinct, count, replace=False))


def of_trained(job: Job, data: HeteroData, new: NewUsers) -> Values:
    """Returns the metrics of a run on all data over the held-out users."""
    tested = np.unique(data[INTERACTS].test_edge_label_index[0].numpy())
    places = np.searchsorted(tested, new.users)
    values = load_users(job.users_file)
    return {name: float(values[name][places].mean(dtype=np.float64)) for name in PAIRED}
