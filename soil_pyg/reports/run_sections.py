"""The sections that require no data: headlines, metrics, learning curves, settings, versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from soil_pyg.models.resolver import find_model
from soil_pyg.reports.baseline import Baseline
from soil_pyg.reports.chart import Table
from soil_pyg.reports.run_charts import by_list_length, comparison, loss_terms, validation_curves
from soil_pyg.reports.runs import SIZES, Run, RunGroup, Summary
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.workflow.options import ModelOptions

FAMILIES = ("recall", "ndcg")
"""The metrics that are charted by list length."""


@dataclass(frozen=True)
class Tile:
    """A headline number with a remark."""

    name: str
    value: Summary | None
    note: str = ""


@dataclass(frozen=True)
class Scope:
    """The runs that a report covers, in groups ordered by a val metric, best first."""

    groups: list[RunGroup]
    metric: str

    @property
    def best(self) -> RunGroup:
        """The group with the best val metric."""
        return self.groups[0]

    @property
    def run(self) -> Run:
        """The first run of the best group that was tested, or the first one."""
        runs = self.best.runs
        return next((run for run in runs if run.content["test"]), runs[0])

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [run for group in self.groups for run in group.runs]

    @property
    def split(self) -> str:
        """The reported split: test if a run of the best group was tested, val otherwise."""
        return "test" if self.run.content["test"] else "val"

    def with_intervals(
        self, intervals: dict[str, dict[tuple[str, str], tuple[float, float]]]
    ) -> "Scope":
        """Returns the scope with intervals of the metrics of groups, by their labels."""
        groups = [replace(one, intervals=intervals.get(one.label, {})) for one in self.groups]
        return replace(self, groups=groups)

    @property
    def k(self) -> int:
        """The list length of the metric."""
        return int(self.metric.rpartition("@")[2])

    @property
    def ks(self) -> list[int]:
        """The list lengths of the best run."""
        return sorted(self.run.content["trainer"].get("ks", [self.k]))


@dataclass(frozen=True)
class Setting:
    """A setting of a run with its default and the parts that use it: model, graphs, trainer or
    data. Settings that are only recorded with the run have no default and are used by none.
    """

    name: str
    value: Any
    default: Any = None
    used_by: str | None = None

    @property
    def is_changed(self) -> bool:
        """Returns whether the value differs from the default, or from what "auto" stands for."""
        is_chosen = self.default == "auto" and isinstance(self.value, int)
        return self.used_by is not None and self.value != self.default and not is_chosen


def run_sections(scope: Scope, baseline: Baseline | None = None) -> dict[str, Any]:
    """Returns the sections that require no data, by their names in the template, with popularity in
    the charts.
    """
    groups, split, metric = scope.groups, scope.split, scope.metric
    several = len(groups) > 1
    curves = [validation_curves(groups, metric, baseline), loss_terms(scope.run)]
    return {
        "tiles": _tiles(scope),
        "facts": _facts(scope),
        "overview": _overview(scope) if several else None,
        "comparison": comparison(groups, split, metric, baseline) if several else None,
        "metric_charts": [
            by_list_length(groups, split, name, scope.ks, baseline) for name in FAMILIES
        ],
        "metric_tables": {group.label: _metric_table(group) for group in groups},
        "has_intervals": any(group.intervals for group in groups),
        "has_seeds": any(len(group.runs) > 1 for group in groups),
        "curves": [chart for chart in curves if chart is not None],
        "settings": {group.label: _setting_tables(group) for group in groups},
        "versions": _versions(scope.runs),
    }


def list_settings(run: Run) -> list[Setting]:
    """Returns the settings of a run: those with a default, by the parts that use them, and then
    the others. The defaults are those of the profile of the run, if it has one.
    """
    content = run.content
    values = {**content["settings"], **content["trainer"], **content["options"]}
    values = {name: value for name, value in values.items() if name not in SIZES}
    try:
        selected = ModelOptions(find_model(content["model"]))
    except ValueError:  # The options of a custom model may lack types, defaults or an import.
        return [Setting(name, value) for name, value in values.items()]
    profile = selected.model_class.profiles.get(values.get("profile", ""), {})
    known = [
        Setting(
            name,
            values.pop(name),
            # Values are compared as they are stored, with lists for tuples.
            json.loads(json.dumps(profile.get(name, option.default))),
            " and ".join(option.used_by),
        )
        for name, option in selected.options.items()
        if name in values
    ]
    known.sort(key=lambda setting: str(setting.used_by))
    return known + [Setting(name, value) for name, value in values.items()]


def _tiles(scope: Scope) -> list[Tile]:
    best, split = scope.best, scope.split
    number = sum(bool(run.content[split]) for run in best.runs)
    note = f"mean over {number} seeds" if number > 1 else "one run"
    return [
        Tile(f"{split.capitalize()} {name}", best.summary(split, name), note)
        for name in dict.fromkeys([scope.metric, f"ndcg@{scope.k}"])
    ]


def _facts(scope: Scope) -> dict[str, Any]:
    content = scope.run.content
    runs = scope.runs
    facts: dict[str, Any] = {
        "Data": content["data"]["name"] or "unnamed",
        "Best settings" if len(scope.groups) > 1 else "Settings": scope.best.label,
        "Runs": len(runs),
        "Best epoch": ", ".join(str(run.content["best_epoch"]) for run in scope.best.runs),
        "Training time": _duration(sum(run.content["seconds"]["total"] for run in runs)),
    }
    if len(scope.groups) > 1:
        facts["Groups of settings"] = len(scope.groups)
    return facts


def _overview(scope: Scope) -> Table:
    split, k = scope.split, scope.k
    names = [f"recall@{k}", f"ndcg@{k}", f"precision@{k}", f"map@{k}"]
    columns = ["Settings", "Runs", f"Val {scope.metric}"]
    columns += [f"{split.capitalize()} {name}" for name in names]
    metrics = [("val", scope.metric), *((split, name) for name in names)]
    rows = [
        [group.label, len(group.runs), *(group.summary(*metric) for metric in metrics)]
        for group in scope.groups
    ]
    return Table("Groups of settings, ranked by val metric", columns, rows)


def _metric_table(group: RunGroup) -> Table:
    content = group.runs[0].content
    pairs = [name.split("@") for name in content["val"]]
    ks = list(dict.fromkeys(k for _, k in pairs))
    rows = [
        [name, split, *(group.summary(split, f"{name}@{k}") for k in ks)]
        for name in dict.fromkeys(name for name, _ in pairs)
        for split in HELD_OUT_SPLITS
        if any(run.content[split] for run in group.runs)
    ]
    columns = ["Metric", "Split", *(f"@{k}" for k in ks)]
    return Table(f"Metrics of {group.label}", columns, rows)


def _setting_tables(group: RunGroup) -> tuple[Table, Table]:
    settings = list_settings(group.runs[0])
    changed = [setting for setting in settings if setting.is_changed]
    marked = frozenset(place for place, setting in enumerate(settings) if setting.is_changed)
    return (
        _setting_table(f"Settings of {group.label} that differ from the defaults", changed),
        _setting_table(f"All settings of {group.label}", settings, marked),
    )


def _setting_table(
    caption: str, settings: Sequence[Setting], marked: frozenset[int] = frozenset()
) -> Table:
    rows = [
        [s.name, _text(s.value), _text(s.default) if s.used_by else None, s.used_by]
        for s in settings
    ]
    return Table(caption, ["Setting", "Value", "Default", "Used by"], rows, marked)


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    every = [run.content["versions"] for run in runs]
    names = dict.fromkeys(name for versions in every for name in versions)
    return {
        name: ", ".join(sorted({versions.get(name, "unknown") for versions in every}))
        for name in names
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
