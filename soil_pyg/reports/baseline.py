"""Measures popularity alone on the data of a report, as a reference in its charts."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import Popularity
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.groups import Groups
from soil_pyg.reports.ranking_statistics import ranking_statistics, recall_of_users
from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS, ITEM, USER
from soil_pyg.utils.data_checks import count_nodes

NAME = "Popularity"
"""The name of the reference, and the class of the model that runs of it have."""


@dataclass(frozen=True)
class Baseline:
    """The metrics of :class:`~soil_pyg.models.Popularity` per split, the recalled share of the
    held-out interactions by the popularity of their items, and the mean recall of the users by the
    lengths of their histories.
    """

    metrics: dict[str, dict[str, float]]
    by_popularity: list[float]
    by_history: list[float]


def popularity_baseline(
    data: HeteroData, held_out: Tensor, ks: Sequence[int], k: int, groups: tuple[Groups, Groups]
) -> Baseline:
    """Evaluates popularity on every held-out split of the data.

    Args:
        data (HeteroData): The data.
        held_out (Tensor): The held-out interactions of the report, of shape :obj:`[2, num_pairs]`.
        ks (Sequence[int]): The list lengths.
        k (int): The list length of the groups.
        groups (tuple[Groups, Groups]): The held-out interactions by popularity, and the users with
            some by the lengths of their histories.
    """
    model = Popularity(count_nodes(data, USER), count_nodes(data, ITEM))
    evaluator = Evaluator(sorted({*ks, k}))
    splits = [split for split in HELD_OUT_SPLITS if f"{split}_edge_label_index" in data[INTERACTS]]
    user_emb, item_emb = model(data)
    place = ranking_statistics(user_emb, item_emb, data, held_out, [k]).place
    return Baseline(
        {split: evaluator.evaluate(model, data, split) for split in splits},
        groups[0].mean(place < k),
        groups[1].mean(recall_of_users(place, held_out, k)),
    )
