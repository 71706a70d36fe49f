"""Statistics of recommendation lists: hits by popularity and history, coverage and novelty."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.utils import cumsum

from soil_pyg.ops.degrees import item_degree, user_degree
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.groups import Groups, quantile_groups
from soil_pyg.ranking.metrics import (
    CATALOGUE_METRICS,
    ListMetrics,
    surprise,
)
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.progress import blocks

USERS_AT_ONCE = 2**13


@dataclass(frozen=True)
class RankingStatistics:
    """Statistics of the recommendation lists of all users. For each held-out interaction,
    :obj:`place` is the position of the item in the list of its user, from 0, or the list length for
    an item that is not listed. The novelty is the mean surprise of the listed items; coverage, Gini
    coefficient and personalization are those of :class:`~soil_pyg.ranking.ListMetrics`. All are per
    list length.
    """

    place: Tensor
    coverage: dict[int, float]
    novelty: dict[int, float]
    gini: dict[int, float]
    personalization: dict[int, float]


def ranking_statistics(
    user_emb: Tensor, item_emb: Tensor, data: HeteroData, held_out: Tensor, ks: Sequence[int]
) -> RankingStatistics:
    """Ranks all items except the training items for every user and returns the statistics of the
    lists of lengths :obj:`ks`. The embeddings are dense or sparse COO, and the held-out
    interactions have the shape :obj:`[2, num_pairs]`.
    """
    num_users, num_items = count_nodes(data, USER), count_nodes(data, ITEM)
    evaluator = Evaluator(ks)
    length = max(evaluator.ks)
    order = held_out[0].argsort(stable=True)
    user, item = held_out[:, order]
    start = cumsum(torch.bincount(user, minlength=num_users)).tolist()
    bits = torch.cat([surprise(data), torch.zeros(1, dtype=torch.double)])

    place = torch.full_like(item, length)
    lists = ListMetrics(data, CATALOGUE_METRICS, evaluator.ks)
    total_bits, num_listed = torch.zeros(2, length, dtype=torch.double)
    for block in blocks(num_users, USERS_AT_ONCE, "Ranking"):
        users = torch.arange(block.start, block.stop)
        ranked = evaluator.rank(user_emb, item_emb, data, users, length)[1]
        pairs = slice(start[block.start], start[block.stop])
        is_hit = ranked[user[pairs] - block.start] == item[pairs].unsqueeze(1)
        found = is_hit.int().argmax(dim=1)
        place[pairs] = found.where(is_hit.any(dim=1), length)
        lists.add(ranked)
        # Lists with too few candidates are padded with the index `num_items`.
        total_bits[: ranked.size(1)] += bits[ranked].sum(dim=0)
        num_listed[: ranked.size(1)] += (ranked < num_items).sum(dim=0)
    total_bits, num_listed = total_bits.cumsum(0), num_listed.cumsum(0).clamp(min=1)
    of_all = lists.of_catalogue()
    return RankingStatistics(
        place=torch.empty_like(place).scatter_(0, order, place),
        novelty={k: float(total_bits[k - 1] / num_listed[k - 1]) for k in evaluator.ks},
        **{name: {k: of_all[f"{name}@{k}"] for k in evaluator.ks} for name in CATALOGUE_METRICS},
    )


def history_novelty(data: HeteroData) -> float:
    """Returns the mean surprise of the items in the training interactions, as a reference for the
    novelty of recommendations.
    """
    count = item_degree(data)
    return float((surprise(data) * count).sum() / count.sum())


def popularity_groups(data: HeteroData, held_out: Tensor) -> Groups:
    """Groups the held-out interactions by the training interactions of their items."""
    return quantile_groups(item_degree(data)[held_out[1]])


def history_groups(data: HeteroData, held_out: Tensor) -> Groups:
    """Groups the users with held-out interactions, in ascending order, by the number of their
    training interactions.
    """
    return quantile_groups(user_degree(data)[torch.unique(held_out[0])])


def recall_of_users(place: Tensor, held_out: Tensor, k: int) -> Tensor:
    """Returns the recall at :obj:`k` of each user with held-out interactions, in ascending order,
    from the places of :class:`RankingStatistics`.
    """
    _, index, count = torch.unique(held_out[0], return_inverse=True, return_counts=True)
    hits = torch.bincount(index, (place < k).double(), minlength=len(count))
    recall: Tensor = hits / count
    return recall
