"""Statistics of the recommendation lists of groups of runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.groups import Groups
from soil_pyg.reports.ranking_statistics import (
    history_groups,
    popularity_groups,
    ranking_statistics,
    recall_of_users,
)
from soil_pyg.reports.runs import RunGroup, Summary
from soil_pyg.runs.checkpoint import load

MEASURES = ("coverage", "novelty", "gini", "personalization")
"""The statistics of the lists of all users."""


@dataclass(frozen=True)
class Analysis:
    """The statistics of each group of runs by its label: :data:`MEASURES` per list length, the
    recalled share of the held-out interactions grouped by the popularity of their items, and the
    mean recall of the users grouped by the lengths of their histories.
    """

    measures: dict[str, dict[str, dict[int, Summary]]]
    popularity: Groups
    history: Groups
    recall_by_popularity: dict[str, list[Summary]]
    recall_by_history: dict[str, list[Summary]]


def analyse(
    groups: Sequence[RunGroup], data: HeteroData, held_out: Tensor, ks: Sequence[int], k: int
) -> Analysis:
    """Ranks all items for all users with every run and returns the statistics of the lists:
    :data:`MEASURES` at :obj:`ks`, and recall at :obj:`k` of the held-out interactions of shape
    :obj:`[2, num_pairs]`.
    """
    popularity, history = popularity_groups(data, held_out), history_groups(data, held_out)
    out = Analysis({name: {} for name in MEASURES}, popularity, history, {}, {})
    for group in groups:
        found, by_popularity, by_history = [], [], []
        for run in group.runs:
            trained = load(run.folder)
            lists = ranking_statistics(
                trained.user_emb, trained.item_emb, data, held_out, sorted({*ks, k})
            )
            found.append(lists)
            by_popularity.append(popularity.mean(lists.place < k))
            by_history.append(history.mean(recall_of_users(lists.place, held_out, k)))
        label, lengths = group.label, list(found[0].coverage)
        for name, of_label in out.measures.items():
            values = [getattr(one, name) for one in found]
            of_label[label] = {n: Summary.of([one[n] for one in values]) for n in lengths}
        out.recall_by_popularity[label] = _over_runs(by_popularity)
        out.recall_by_history[label] = _over_runs(by_history)
    return out


def _over_runs(values: list[list[float]]) -> list[Summary]:
    return [Summary.of(list(same)) for same in zip(*values, strict=True)]
