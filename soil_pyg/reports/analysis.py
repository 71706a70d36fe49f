"""What the lists of recommendations of groups of runs hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.reports.ranking_statistics import (
    Groups,
    history_groups,
    popularity_groups,
    ranking_statistics,
    recall_of_users,
)
from soil_pyg.reports.runs import RunGroup, Summary
from soil_pyg.runs.checkpoint import load


@dataclass(frozen=True)
class Analysis:
    """What the lists hold, by the label of each group of runs.

    Args:
        coverage (dict[str, dict[int, Summary]]): The coverage for each list length.
        novelty (dict[str, dict[int, Summary]]): The novelty for each list length.
        popularity (Groups): The held-out interactions, grouped by the popularity of their items.
        history (Groups): The users, grouped by the lengths of their histories.
        recall_by_popularity (dict[str, list[Summary]]): The share of interactions that are found in
            each group.
        recall_by_history (dict[str, list[Summary]]): The mean recall of the users in each group.
    """

    coverage: dict[str, dict[int, Summary]]
    novelty: dict[str, dict[int, Summary]]
    popularity: Groups
    history: Groups
    recall_by_popularity: dict[str, list[Summary]]
    recall_by_history: dict[str, list[Summary]]


def analyse(
    groups: Sequence[RunGroup], data: HeteroData, held_out: Tensor, ks: Sequence[int], k: int
) -> Analysis:
    """Ranks for all users with every run and looks at the lists.

    Args:
        groups (sequence of RunGroup): The groups of runs.
        data (HeteroData): Their data.
        held_out (Tensor): The held-out interactions, of shape :obj:`[2, num_pairs]`.
        ks (sequence of int): The list lengths.
        k (int): The one of the recall.

    Raises:
        ValueError: If a run cannot be loaded.
    """
    popularity, history = popularity_groups(data, held_out), history_groups(data, held_out)
    out = Analysis({}, {}, popularity, history, {}, {})
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
        out.coverage[group.label] = {
            length: Summary.of([lists.coverage[length] for lists in found])
            for length in found[0].coverage
        }
        out.novelty[group.label] = {
            length: Summary.of([lists.novelty[length] for lists in found])
            for length in found[0].novelty
        }
        out.recall_by_popularity[group.label] = _over_runs(by_popularity)
        out.recall_by_history[group.label] = _over_runs(by_history)
    return out


def _over_runs(values: list[list[float]]) -> list[Summary]:
    return [Summary.of(list(same)) for same in zip(*values, strict=True)]
