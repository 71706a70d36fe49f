"""The runs of a report, grouped by their settings."""

import json
import logging
import math
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soil_pyg.runs.checkpoint import FILES, RUN, STATE, load_finished_run, load_run
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.workflow.final import FINAL
from soil_pyg.workflow.run_data import LEFT_OUT

logger = logging.getLogger("soil_pyg")

NOT_SETTINGS = {"seed", "device", "accelerator", "data", "out"}
"""The values that may differ between runs of the same settings."""
SIZES = {"num_users", "num_items", "in_channels"}


@dataclass(frozen=True)
class Run:
    """A run: its folder and the content of its :obj:`run.json`."""

    folder: Path
    content: dict[str, Any]

    @property
    def model(self) -> str:
        """The name of the model's class."""
        return str(self.content["model"]).rpartition(":")[2].rpartition(".")[2]

    @property
    def seed(self) -> int | None:
        """The seed."""
        seed: int | None = self.content["trainer"].get("seed")
        return seed

    @property
    def is_final(self) -> bool:
        """Returns whether the run was trained on all interactions."""
        return FINAL in self.content["settings"]

    @property
    def left_out(self) -> list[int]:
        """The number of pairs that the run leaves out of each held-out split."""
        return [self.content["settings"].get(f"{LEFT_OUT}{split}", 0) for split in HELD_OUT_SPLITS]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, without those that may differ within a group of runs."""
        values = {**self.content["options"], **self.content["settings"], **self.content["trainer"]}
        return {name: v for name, v in values.items() if name not in NOT_SETTINGS | SIZES}

    @property
    def identity(self) -> str:
        """A text that is equal for runs that differ only in seed and machine."""
        return json.dumps([self.content["model"], self.settings], sort_keys=True)


@dataclass(frozen=True)
class Summary:
    """The mean of a value over several runs and, for at least two runs, the sample standard
    deviation. A value of one run may have an interval of its mean over users instead.
    """

    mean: float
    std: float | None
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: list[float]) -> "Summary":
        """Returns the summary of at least one value.

        Example:
            >>> Summary.of([1.0, 3.0])
            Summary(mean=2.0, std=1.4142135623730951, interval=None)
        """
        mean = math.fsum(values) / len(values)
        if len(values) == 1:
            return cls(mean, None)
        return cls(mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)))


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ only in the seed, in ascending order of their seeds. The label is the name
    of the model with the settings that distinguish the group. Metrics of a single run may have
    intervals by split and name.
    """

    label: str
    runs: list[Run]
    intervals: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def summary(self, split: str, metric: str) -> Summary | None:
        """Returns the summary of a metric of a split, or :obj:`None` if no run has it."""
        values = [run.content[split][metric] for run in self.runs if metric in run.content[split]]
        if not values:
            return None
        return replace(Summary.of(values), interval=self.intervals.get((split, metric)))


def find_runs(path: str | os.PathLike[str]) -> tuple[list[Run], list[Path]]:
    """Returns the run in a folder or the runs in its sub-folders, and the sub-folders of runs
    without results so far. Runs on all interactions have no metrics and are left out.

    Raises :class:`FileNotFoundError` if the folder does not exist or holds no run, and
    :class:`ValueError` if it is a run on all interactions, a :obj:`run.json` is corrupt, or the
    runs use different data.
    """
    path = Path(path).expanduser()
    if not path.is_dir() or any((path / name).exists() for name in (RUN, STATE, *FILES)):
        run = Run(path, load_finished_run(path, with_files=False))
        if run.is_final:
            raise ValueError(
                f"'{path}' is a run on all interactions, without metrics: name the validated run "
                "that it repeats"
            )
        return [run], []
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
    # The other files of a run are checked where they are read.
    found = [(folder, load_run(folder, with_files=False)) for folder in folders]
    runs = [Run(folder, content) for folder, content in found if content is not None]
    runs = [run for run in runs if not run.is_final]
    if not runs:
        raise FileNotFoundError(
            f"'{path}' is neither the folder of a run nor a folder of runs: it has no {RUN}, and "
            "neither has a folder in it"
        )
    data = {(run.content["data"]["digest"], *run.left_out): run for run in runs}
    if len(data) > 1:
        first, second = (f"'{run.folder.name}'" for run in list(data.values())[:2])
        raise ValueError(
            f"'{path}' holds runs on different data ({first} and {second}): use one folder per "
            "data set"
        )
    return runs, [
        folder for folder, content in found if content is None and (folder / STATE).exists()
    ]


def group_runs(runs: list[Run]) -> list[RunGroup]:
    """Groups runs by their settings and sorts the groups by their mean val metric, best first.

    Of runs with the same settings and seed, such as copies, the first one counts. Raises
    :class:`ValueError` if the runs have no val metric in common.
    """
    metric = selection_metric(runs)
    first: dict[tuple[str, str, str], Run] = {}
    for run in runs:
        known = first.setdefault((run.model, run.identity, str(run.seed)), run)
        if known is not run:
            message = "'%s' has the settings and the seed of '%s' and is left out"
            logger.warning(message, run.folder.name, known.folder.name)
    runs = list(first.values())
    by_model: dict[str, dict[str, list[Run]]] = {}
    for run in sorted(runs, key=lambda run: (str(run.seed).zfill(20), run.folder)):
        by_model.setdefault(run.model, {}).setdefault(run.identity, []).append(run)
    groups: list[RunGroup] = []
    for by_identity in by_model.values():
        same = list(by_identity.values())
        groups += map(RunGroup, _labels(same), same)

    def order(group: RunGroup) -> tuple[float, str]:
        value = group.summary("val", metric)
        return (math.inf if value is None else -value.mean, group.label)

    return sorted(groups, key=order)


def selection_metric(runs: list[Run]) -> str:
    """Returns the val metric that selected the best epoch of most runs, of those that all runs
    have. Raises :class:`ValueError` if there is none.
    """
    common = [
        name for name in runs[0].content["val"] if all(name in r.content["val"] for r in runs)
    ]
    if not common:
        names = [f"'{run.folder.name}' {', '.join(run.content['val'])}" for run in runs]
        raise ValueError(
            f"the runs must have a val metric in common (got {'; '.join(names)}): use one folder "
            "per list length"
        )
    chosen = Counter(run.content["trainer"].get("metric") for run in runs)
    # The order of the folders does not decide.
    return str(min(common, key=lambda name: (-chosen[name], name if chosen[name] else "")))


def _labels(groups: list[list[Run]]) -> list[str]:
    """Returns the name of the model of each group and the settings that distinguish them."""
    labels = [runs[0].model for runs in groups]
    settings = [{**runs[0].settings, "model": runs[0].content["model"]} for runs in groups]
    names = {name for own in settings for name in own}
    for name in sorted(names, key=lambda name: (name != "profile", name)):
        longer = [
            f"{label} {name}={_text(own.get(name))}"
            for label, own in zip(labels, settings, strict=True)
        ]
        if len(set(longer)) > len(set(labels)):
            labels = longer
    return labels


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
