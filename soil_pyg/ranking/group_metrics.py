"""The metrics of groups of users and of items."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ops.degrees import item_degree, user_degree
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.groups import NUM_GROUPS, Groups, quantile_groups
from soil_pyg.ranking.held_out import held_out
from soil_pyg.ranking.metrics import HIT_METRICS, USER_METRICS
from soil_pyg.utils.checks import check_choice, check_integer

GROUPINGS = ("user_history", "item_popularity", "cold_items")


@dataclass(frozen=True)
class GroupMetrics:
    """The metrics of a group.

    Args:
        lowest, highest (int): The smallest and the largest number of training interactions of the
            users or items of the group.
        num_users (int): The number of users over whom the metrics are averaged.
        metrics (dict[str, float]): The mean of each metric, by names such as :obj:`"recall@20"`.
    """

    lowest: int
    highest: int
    num_users: int
    metrics: dict[str, float]


def evaluate_groups(
    evaluator: Evaluator,
    model: torch.nn.Module,
    data: HeteroData,
    split: str = "val",
    by: str = "item_popularity",
    num_groups: int = NUM_GROUPS,
) -> list[GroupMetrics]:
    """Returns the metrics of groups of similar size, in ascending order of their training
    interactions.

    A group of users has the mean over its users, of the metrics of each user. A group of items has
    the mean over the users with a held-out item of the group, of whom the other held-out items do
    not count; all items are ranked, and the metrics are those of hits.

    Args:
        evaluator (Evaluator): The evaluator, which has the metrics.
        model (torch.nn.Module): The model, called with :obj:`data` in evaluation mode.
        data (HeteroData): The data with the graphs of the model.
        split (str): The split, :obj:`"val"` or :obj:`"test"`. (default: :obj:`"val"`)
        by (str): :obj:`"user_history"` groups users by the number of their training interactions,
            :obj:`"item_popularity"` held-out interactions by that of their items, and
            :obj:`"cold_items"` tells items without training interactions from the others.
            (default: :obj:`"item_popularity"`)
        num_groups (int): The largest number of groups by history and by popularity.
            (default: :obj:`5`)

    Raises:
        ValueError: If :obj:`by` is unknown, a metric is not defined for its groups, or for the
            reasons of :meth:`Evaluator.evaluate`.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> from soil_pyg.models import Popularity
        >>> data, model = SyntheticMultimodal(40, 30)[0], Popularity(40, 30)
        >>> groups = evaluate_groups(Evaluator([10]), model, data, num_groups=2)
        >>> groups[0].metrics["recall@10"] < groups[1].metrics["recall@10"]
        True
    """
    check_group_metrics(evaluator.metrics, by)
    check_integer("num_groups", num_groups, 1)
    pairs = held_out(data, split)
    if by == "user_history":
        length = user_degree(data)[torch.unique(pairs[0])]
        groups = quantile_groups(length.cpu(), num_groups)
        values = evaluator.evaluate_per_user(model, data, split)
        means = {name: groups.mean(torch.from_numpy(value)) for name, value in values.items()}
        return [
            GroupMetrics(*bounds, size, {name: mean[number] for name, mean in means.items()})
            for number, (bounds, size) in enumerate(zip(groups.bounds, groups.size, strict=True))
        ]
    count = item_degree(data)[pairs[1]].cpu()
    if by == "item_popularity":
        groups = quantile_groups(count, num_groups)
    else:
        groups = _cold_and_warm(count)
    return _of_items(evaluator, model, data, split, groups)


def check_group_metrics(metrics: Sequence[str], by: str) -> None:
    """Raises :class:`ValueError` unless all metrics are defined for the groups."""
    check_choice("by", by, GROUPINGS)
    allowed = (*HIT_METRICS, *USER_METRICS) if by == "user_history" else tuple(HIT_METRICS)
    for name in metrics:
        if name not in allowed:
            raise ValueError(
                f"'metrics' must be among {', '.join(allowed)} with by='{by}' (got '{name}')"
            )


def _cold_and_warm(count: Tensor) -> Groups:
    kinds = [count[count == 0], count[count > 0]]
    kinds = [kind for kind in kinds if len(kind) > 0]
    bounds = [(int(kind.min()), int(kind.max())) for kind in kinds]
    index = (count > 0).long() - (1 if bounds[0][0] > 0 else 0)
    return Groups(index, bounds, [len(kind) for kind in kinds])


def _of_items(
    evaluator: Evaluator, model: torch.nn.Module, data: HeteroData, split: str, groups: Groups
) -> list[GroupMetrics]:
    upper = torch.tensor([highest for _, highest in groups.bounds])
    count = item_degree(data)
    group = torch.searchsorted(upper.to(count.device), count)
    values: list[dict[str, list[Tensor]]] = [{} for _ in groups.bounds]
    for _, ranked, label in evaluator.ranked_blocks(model, data, split, complete=False):
        for number, of_group in enumerate(values):
            row, item = label[:, group[label[1]] == number]
            lists, row = torch.unique(row, return_inverse=True)
            if len(lists) > 0:
                found = evaluator.of_hits(ranked[lists], torch.stack([row, item]))
                for name, value in found.items():
                    of_group.setdefault(name, []).append(value.double())
    out = []
    for bounds, of_group in zip(groups.bounds, values, strict=True):
        joined = {name: torch.cat(value) for name, value in of_group.items()}
        num_users = len(next(iter(joined.values())))
        means = {name: float(value.mean()) for name, value in joined.items()}
        out.append(GroupMetrics(*bounds, num_users, means))
    return out
