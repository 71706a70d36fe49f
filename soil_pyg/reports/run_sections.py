"""What the runs alone tell: headlines, metrics, learning curves, settings and versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soil_pyg.reports.run_charts import (
    SPLITS,
    by_list_length,
    comparison,
    loss_terms,
    validation_curves,
)
from soil_pyg.reports.runs import Run, RunGroup
from soil_pyg.reports.settings import Setting, list_settings
from soil_pyg.reports.table import Table

FAMILIES = ("recall", "ndcg")


@dataclass(frozen=True)
class Tile:
    """A number to see first.

    Args:
        name (str): What it is.
        value (Any): The number.
        note (str): What else is to be known. (default: :obj:`""`)
    """

    name: str
    value: Any
    note: str = ""


@dataclass(frozen=True)
class Question:
    """What the report is about.

    Args:
        groups (list[RunGroup]): The groups of runs, the best first.
        metric (str): The validation metric that they were selected by.
    """

    groups: list[RunGroup]
    metric: str

    @property
    def best(self) -> RunGroup:
        """The group with the best validation metric."""
        return self.groups[0]

    @property
    def run(self) -> Run:
        """The first run of the best group."""
        return self.best.runs[0]

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [run for group in self.groups for run in group.runs]

    @property
    def split(self) -> str:
        """The split that is reported: test, if the best run was tested."""
        return "test" if self.run.content["test"] else "val"

    @property
    def k(self) -> int:
        """The list length of the metric."""
        return int(self.metric.rpartition("@")[2])

    @property
    def ks(self) -> list[int]:
        """The list lengths of the best run."""
        return sorted(self.run.content["trainer"].get("ks", [self.k]))


def run_sections(question: Question) -> dict[str, Any]:
    """Returns the parts of the page that need no data, by the names in the template.

    Args:
        question (Question): What the report is about.
    """
    groups, split, metric = question.groups, question.split, question.metric
    several = len(groups) > 1
    curves = [validation_curves(groups, metric), loss_terms(question.run)]
    return {
        "tiles": _tiles(question),
        "facts": _facts(question),
        "overview": _overview(question) if several else None,
        "comparison": comparison(groups, split, metric) if several else None,
        "metric_charts": [by_list_length(groups, split, name, question.ks) for name in FAMILIES],
        "metric_tables": {group.label: _metric_table(group) for group in groups},
        "has_seeds": any(len(group.runs) > 1 for group in groups),
        "curves": [chart for chart in curves if chart is not None],
        "settings": {group.label: _setting_tables(group) for group in groups},
        "versions": _versions(question.runs),
    }


def _tiles(question: Question) -> list[Tile]:
    tiles = []
    for name in dict.fromkeys([question.metric, f"ndcg@{question.k}"]):
        value = question.best.summary(question.split, name)
        number = len(question.best.runs)
        note = f"over {number} seeds" if number > 1 else "of one run"
        tiles.append(Tile(f"{SPLITS[question.split]} {name}", value, note))
    return tiles


def _facts(question: Question) -> dict[str, Any]:
    content = question.run.content
    runs = question.runs
    facts: dict[str, Any] = {
        "Data": content["data"]["name"] or "unnamed",
        "Best settings" if len(question.groups) > 1 else "Settings": question.best.label,
        "Runs": len(runs),
        "Best epoch": ", ".join(str(run.content["best_epoch"]) for run in question.best.runs),
        "Training time": _duration(sum(run.content["seconds"]["total"] for run in runs)),
    }
    if len(question.groups) > 1:
        facts["Groups of settings"] = len(question.groups)
    return facts


def _overview(question: Question) -> Table:
    split, k = question.split, question.k
    names = [f"recall@{k}", f"ndcg@{k}", f"precision@{k}", f"map@{k}"]
    columns = ["Settings", "Runs", f"Validation {question.metric}"]
    columns += [f"{SPLITS[split]} {name}" for name in names]
    rows = [
        [
            group.label,
            len(group.runs),
            group.summary("val", question.metric),
            *(group.summary(split, name) for name in names),
        ]
        for group in question.groups
    ]
    return Table("Groups of settings, best validation metric first", columns, rows)


def _metric_table(group: RunGroup) -> Table:
    content = group.runs[0].content
    pairs = [name.split("@") for name in content["val"]]
    ks = list(dict.fromkeys(k for _, k in pairs))
    rows = [
        [name, title.lower(), *(group.summary(split, f"{name}@{k}") for k in ks)]
        for name in dict.fromkeys(name for name, _ in pairs)
        for split, title in SPLITS.items()
        if content[split]
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
        [s.name, _json(s.value), _json(s.default) if s.taker else None, s.taker] for s in settings
    ]
    return Table(caption, ["Setting", "Value", "Default", "Of"], rows, marked)


def _versions(runs: Sequence[Run]) -> Table:
    names = dict.fromkeys(name for run in runs for name in run.content["versions"])
    rows = []
    for name in names:
        found = {run.content["versions"].get(name, "unknown") for run in runs}
        rows.append([name, ", ".join(sorted(found))])
    return Table("Versions that the runs were made with", ["Package", "Version"], rows)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
