"""Selection of the settings of a model by their val metric."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from soil_bench.runs.results import CHOICE, Record


def by_settings(runs: Iterable[Record]) -> list[list[Record]]:
    """Returns the runs of each setting, one per seed.

    Among runs that differ only in their code, the last one counts.
    """
    groups: dict[str, dict[int, Record]] = {}
    for run in runs:
        groups.setdefault(repr(sorted(run["settings"].items())), {})[run["seed"]] = run
    return [list(group.values()) for group in groups.values()]


def best_of(groups: Sequence[list[Record]]) -> list[Record]:
    """Returns the group with the best val metric.

    A single seed may be lucky, so that only groups with the most seeds are compared.
    """
    most = max(map(len, groups))
    final = [group for group in groups if len(group) == most]
    return max(final, key=lambda group: fmean(run["val"][CHOICE] for run in group))
