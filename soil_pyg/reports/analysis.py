"""Statistics of the recommendation lists of groups of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.groups import Groups
from soil_pyg.reports.baseline import NAME, Baseline, popularity_baseline
from soil_pyg.reports.bootstrap import bootstrap_intervals
from soil_pyg.reports.ranking_statistics import (
    history_groups,
    popularity_groups,
    ranking_statistics,
    recall_of_users,
)
from soil_pyg.reports.runs import Run, RunGroup, Summary
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.workflow.evaluate import evaluate

MEASURES = ("coverage", "novelty", "gini", "personalization")
"""The statistics of the lists of all users."""


@dataclass(frozen=True)
class Analysis:
    """The statistics of each group of runs by its label: :data:`MEASURES` per list length, the
    recalled share of the held-out interactions grouped by the popularity of their items, and the
    mean recall of the users grouped by the lengths of their histories; the intervals of the metrics
    of groups of one run by split and name; and popularity, unless a group has this model.
    """

    measures: dict[str, dict[str, dict[int, Summary]]]
    popularity: Groups
    history: Groups
    recall_by_popularity: dict[str, list[Summary]]
    recall_by_history: dict[str, list[Summary]]
    intervals: dict[str, dict[tuple[str, str], tuple[float, float]]]
    baseline: Baseline | None


def analyse(
    groups: Sequence[RunGroup],
    data: HeteroData,
    held_out: Tensor,
    ks: Sequence[int],
    k: int,
    known: Mapping[Path, TrainedModel] | None = None,
) -> Analysis:
    """Ranks all items for all users with every run and returns the statistics of the lists:
    :data:`MEASURES` at :obj:`ks`, and recall at :obj:`k` of the held-out interactions of shape
    :obj:`[2, num_pairs]`. The models that are :obj:`known` by their folders are not loaded again.
    """
    popularity, history = popularity_groups(data, held_out), history_groups(data, held_out)
    baseline = None
    if all(run.model != NAME for group in groups for run in group.runs):
        baseline = popularity_baseline(data, held_out, ks, k, (popularity, history))
    by_name: dict[str, dict[str, dict[int, Summary]]] = {name: {} for name in MEASURES}
    out = Analysis(by_name, popularity, history, {}, {}, {}, baseline)
    for group in groups:
        found, by_popularity, by_history = [], [], []
        for run in group.runs:
            trained = (known or {}).get(run.folder) or load(run.folder)
            lists = ranking_statistics(
                trained.user_emb, trained.item_emb, data, held_out, sorted({*ks, k})
            )
            found.append(lists)
            by_popularity.append(popularity.mean(lists.place < k))
            by_history.append(history.mean(recall_of_users(lists.place, held_out, k)))
            if len(group.runs) == 1:
                out.intervals[group.label] = _intervals(run, trained, data)
        label, lengths = group.label, list(found[0].coverage)
        for name, of_label in out.measures.items():
            values = [getattr(one, name) for one in found]
            of_label[label] = {n: Summary.of([one[n] for one in values]) for n in lengths}
        out.recall_by_popularity[label] = _over_runs(by_popularity)
        out.recall_by_history[label] = _over_runs(by_history)
    return out


def _intervals(
    run: Run, trained: TrainedModel, data: HeteroData
) -> dict[tuple[str, str], tuple[float, float]]:
    splits = [split for split in HELD_OUT_SPLITS if run.content[split]]
    table = evaluate(trained, splits, per_user=True, data=data)
    names = [str(name) for name in table.columns.drop(["split", "user"])]
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for split in splits:
        rows = table[table["split"] == split]
        of_split = bootstrap_intervals({name: rows[name].to_numpy() for name in names})
        found |= {(split, name): interval for name, interval in of_split.items()}
    return found


def _over_runs(values: list[list[float]]) -> list[Summary]:
    return [Summary.of(list(same)) for same in zip(*values, strict=True)]
