"""The metrics of ranked lists: of hits, by PyG, and of what is recommended at all."""

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import (
    LinkPredF1,
    LinkPredHitRatio,
    LinkPredMAP,
    LinkPredMRR,
    LinkPredNDCG,
    LinkPredPrecision,
    LinkPredRecall,
)

from soil_pyg.ops.degrees import item_degree
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.checks import check_choice, check_integer, check_strings
from soil_pyg.utils.data_checks import count_nodes

HIT_METRICS: dict[str, Any] = {
    "recall": LinkPredRecall,
    "ndcg": LinkPredNDCG,
    "precision": LinkPredPrecision,
    "map": LinkPredMAP,
    "hit_ratio": LinkPredHitRatio,
    "mrr": LinkPredMRR,
    "f1": LinkPredF1,
}
"""Metrics of the hits of a user, the classes of PyG."""

USER_METRICS = ("average_popularity", "novelty", "diversity")
"""Metrics of what a user is recommended."""

CATALOGUE_METRICS = ("coverage", "gini", "personalization")
"""Metrics of the lists of all users together."""

MAX_K = 2**20
"""The largest length of a list: PyG's metrics hold a number per rank."""

DEFAULT_METRICS = ("recall", "ndcg", "precision", "map")
ALL_METRICS = (*HIT_METRICS, *USER_METRICS, *CATALOGUE_METRICS)


def check_ks(ks: Sequence[int]) -> tuple[int, ...]:
    """Returns list lengths in ascending order, each once, or raises :class:`ValueError` unless they
    are integers of at least 1.
    """
    if isinstance(ks, str) or not isinstance(ks, Iterable) or len(values := list(ks)) == 0:
        raise ValueError(f"'ks' must be a list of integers (got {reprlib.repr(ks)})")
    for k in values:
        check_integer("ks", k, 1, MAX_K)
    return tuple(sorted({int(k) for k in values}))


def check_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of metrics, or raises :class:`ValueError` unless each is known."""
    check_strings("metrics", list(metrics) if isinstance(metrics, tuple) else metrics)
    for name in metrics:
        check_choice("metrics", name, ALL_METRICS)
    return tuple(metrics)


def surprise(data: HeteroData) -> Tensor:
    r"""Returns the surprise of each item in bits, :math:`-\log_2 p_i`, where :math:`p_i` is the
    share of users with a training interaction with item :math:`i`, counted as at least one user.
    """
    return -torch.log2(item_degree(data).clamp(min=1).double() / count_nodes(data, USER))


class ListMetrics:
    r"""Metrics of recommendation lists that need no held-out interactions.

    With :math:`\mathcal{L}_u` the list of user :math:`u` and :math:`c_i` the number of lists with
    item :math:`i`:

    * :obj:`average_popularity`: the mean number of training interactions of the items of a list;
    * :obj:`novelty`: the mean :func:`surprise` of the items of a list;
    * :obj:`diversity`: the share of the pairs of items of a list whose categories,
      :obj:`data["item"].category`, differ;
    * :obj:`coverage`: the share of the items that are in a list;
    * :obj:`gini`: :math:`\frac{\sum_n (2 n - I - 1) c_{(n)}}{I \sum_i c_i}`, with
      :math:`c_{(1)} \le \cdots \le c_{(I)}`: 0 if all items are recommended equally often;
    * :obj:`personalization`: :math:`1 - \frac{2}{U (U - 1)} \sum_{u < v} |\mathcal{L}_u \cap
      \mathcal{L}_v| / k`. The sum is that of :math:`c_i (c_i - 1) / 2`, so that no two users are
      compared.

    Args:
        data (HeteroData): The data with the training interactions.
        metrics (Sequence[str]): The names of the metrics.
        ks (Sequence[int]): The list lengths.

    Raises:
        ValueError: If the diversity is asked for and the items have no categories.
    """

    def __init__(self, data: HeteroData, metrics: Sequence[str], ks: Sequence[int]) -> None:
        self.num_items = count_nodes(data, ITEM)
        self.ks = ks
        self.catalogue = [name for name in metrics if name in CATALOGUE_METRICS]
        self._of_item: dict[str, Tensor] = {}
        for name in metrics:
            if name in USER_METRICS:
                self._of_item[name] = _values(data, name)
        self._counts = {k: torch.zeros(self.num_items, dtype=torch.long) for k in ks}
        self._num_users = 0

    def __bool__(self) -> bool:
        return bool(self.catalogue or self._of_item)

    def add(self, ranked: Tensor) -> dict[str, Tensor]:
        """Counts the lists of further users, and returns the metrics of each.

        Args:
            ranked (Tensor): The items of each user, the best one first, of shape
                :obj:`[num_lists, k]`; lists are padded with the number of items.
        """
        values = {}
        for k in self.ks:
            lists = ranked[:, :k]
            is_item = lists < self.num_items
            counts = torch.bincount(lists[is_item], minlength=self.num_items)
            self._counts[k] += counts.to(self._counts[k].device)
            for name, of_item in self._of_item.items():
                of_list = of_item.to(lists.device)[lists.clamp(max=self.num_items - 1)]
                function = _diversity if name == "diversity" else _mean
                values[f"{name}@{k}"] = function(of_list, is_item)
        self._num_users += len(ranked)
        return values

    def of_catalogue(self) -> dict[str, float]:
        """Returns the metrics of all lists together."""
        out: dict[str, float] = {}
        for k, count in self._counts.items():
            ordered = count.sort().values.double()
            place = torch.arange(1, self.num_items + 1, dtype=torch.double)
            spread = ((2 * place - self.num_items - 1) * ordered).sum()
            shared = (ordered * (ordered - 1)).sum() / k
            pairs = self._num_users * (self._num_users - 1)
            values = {
                "coverage": (ordered > 0).double().mean(),
                "gini": spread / (self.num_items * ordered.sum()).clamp(min=1),
                "personalization": 1 - shared / pairs if pairs > 0 else torch.zeros(()),
            }
            out |= {f"{name}@{k}": float(values[name]) for name in self.catalogue}
        return out


def _values(data: HeteroData, name: str) -> Tensor:
    if name == "novelty":
        return surprise(data)
    if name == "average_popularity":
        return item_degree(data).double()
    category = data[ITEM].get("category")
    if not isinstance(category, Tensor) or category.size() != (count_nodes(data, ITEM),):
        got = list(category.size()) if isinstance(category, Tensor) else repr(category)
        raise ValueError(
            "'metrics' must not have 'diversity' unless data['item'].category holds a number per "
            f"item (got {got})"
        )
    return category


def _mean(values: Tensor, is_item: Tensor) -> Tensor:
    return (values * is_item).sum(dim=1) / is_item.sum(dim=1).clamp(min=1)


def _diversity(category: Tensor, is_item: Tensor) -> Tensor:
    _, category = torch.unique(category, return_inverse=True)
    # Padding is of one more category, whose pairs do not count.
    ordered = category.masked_fill(~is_item, -1).sort(dim=1).values
    before = torch.searchsorted(ordered, ordered)
    same = torch.searchsorted(ordered, ordered, right=True) - before - 1
    length = is_item.sum(dim=1)
    num_same = (same * (ordered >= 0)).sum(dim=1)
    return 1 - num_same.double() / (length * (length - 1)).clamp(min=1)
