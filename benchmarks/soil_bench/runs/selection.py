"""Selection of the settings of a model by their val metric."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from soil_bench.runs.results import CHOICE, Record
from soil_pyg.configs import available_configs, load_config

DECAY = {"lr_decay", "lr_decay_epochs"}
"""The options of the schedule that no search varies."""


def by_settings(runs: Iterable[Record]) -> list[list[Record]]:
    """Returns the runs of each setting of a model on a data set, one per seed.

    Among runs that differ only in their code, the last one counts. Runs whose learning rate does
    not decay as published count only where no run's does.
    """
    groups: dict[str, dict[int, Record]] = {}
    runs = list(runs)
    for run in [run for run in runs if not DECAY & other_schedule(run).keys()] or runs:
        groups.setdefault(repr(sorted(run["settings"].items())), {})[run["seed"]] = run
    return [list(group.values()) for group in groups.values()]


def published(model: str, dataset: str) -> dict[str, float]:
    """Returns the published metrics of a model on a data set, nothing if there are none."""
    return load_config(model).published.get(dataset, {}) if model in available_configs() else {}


def other_schedule(run: Record) -> dict[str, Any]:
    """Returns the published values of the schedule that a run replaces, by the option."""
    if not published(run["model"], run["dataset"]):
        return {}
    schedule, settings = load_config(run["model"]).schedule, run["settings"]
    return {name: value for name, value in schedule.items() if settings.get(name, value) != value}


def best_of(groups: Sequence[list[Record]]) -> list[Record]:
    """Returns the group with the best val metric.

    A single seed may be lucky, so that only groups with the most seeds are compared.
    """
    most = max(map(len, groups))
    final = [group for group in groups if len(group) == most]
    return max(final, key=lambda group: fmean(run["val"][CHOICE] for run in group))
