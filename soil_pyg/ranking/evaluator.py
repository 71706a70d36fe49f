from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics.link_pred import LinkPredMetricData
from torch_geometric.utils import cumsum

from soil_pyg.ranking.best_items import BestItems
from soil_pyg.ranking.held_out import held_out, known_pairs
from soil_pyg.ranking.metrics import (
    DEFAULT_METRICS,
    HIT_METRICS,
    ListMetrics,
    check_ks,
    check_metrics,
)
from soil_pyg.ranking.score_blocks import score_blocks
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils._private import metric_values
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.progress import blocks


class Evaluator:
    r"""Evaluates a model by full ranking with PyG's ranking metrics.

    For every user with held-out items, all items except the training items of the user are ranked
    by score, ties by the smaller item index, and the top of the list is compared with the held-out
    items. The training items of an earlier run that the model was initialised from are left out as
    well, see :func:`~soil_pyg.runs.trained_pairs.without_trained_pairs`. Users are scored in
    blocks; results do not depend on the blocks or on threads.

    Args:
        ks (Sequence[int]): The list lengths. (default: :obj:`(5, 10, 20, 50)`)
        memory_budget (int): The bytes that the scores of a block may take.
            (default: :obj:`2**30`)
        metrics (Sequence[str]): The metrics: :obj:`"recall"`, :obj:`"ndcg"`, :obj:`"precision"`,
            :obj:`"map"`, :obj:`"hit_ratio"`, :obj:`"mrr"`, :obj:`"f1"`, and those of
            :class:`~soil_pyg.ranking.metrics.ListMetrics`, for which every list is ranked.
            (default: :obj:`("recall", "ndcg", "precision", "map")`)

    Raises:
        ValueError: If :obj:`ks` is empty, an argument is less than 1, or a metric is unknown.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> from soil_pyg.models import Popularity
        >>> data = SyntheticMultimodal(40, 30)[0]
        >>> list(Evaluator(ks=[10]).evaluate(Popularity(num_users=40, num_items=30), data))
        ['recall@10', 'ndcg@10', 'precision@10', 'map@10']
    """

    def __init__(
        self,
        ks: Sequence[int] = (5, 10, 20, 50),
        memory_budget: int = 2**30,
        metrics: Sequence[str] = DEFAULT_METRICS,
    ) -> None:
        self.ks = check_ks(ks)
        check_integer("memory_budget", memory_budget, 1)
        self.memory_budget = memory_budget
        self.metrics = check_metrics(metrics)
        self.names = [f"{name}@{k}" for name in self.metrics for k in self.ks]
        """The names of all metrics, such as :obj:`"recall@20"`."""

    @cached_property
    def _of_hits(self) -> dict[str, Any]:
        # A ranking alone needs none of them, and they take longer than a small one.
        return {
            f"{name}@{k}": HIT_METRICS[name](k)
            for name in self.metrics
            if name in HIT_METRICS
            for k in self.ks
        }

    def evaluate(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, float]:
        """Returns the mean of each metric over users, by names such as :obj:`"recall@20"`.

        Args:
            model (torch.nn.Module): The model, called with :obj:`data` in evaluation mode.
            data (HeteroData): The data with the graphs of the model.
            split (str): The split, :obj:`"val"` or :obj:`"test"`. (default: :obj:`"val"`)

        Raises:
            ValueError: If the split is unknown, has no interaction that the train split lacks, or
                the embeddings do not match the data.
            FloatingPointError: If a score may not be finite.
        """
        values, lists = self.evaluate_lists(model, data, split)
        means = {name: float(value.mean()) for name, value in values.items()}
        return {name: (means | lists)[name] for name in self.names}

    def evaluate_per_user(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, np.ndarray]:
        """Returns the metrics of each user with held-out items, in ascending order of the users;
        those of all users together are left out.

        Arguments and errors are those of :meth:`evaluate`.
        """
        return self.evaluate_lists(model, data, split)[0]

    def evaluate_lists(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Returns the metrics of :meth:`evaluate_per_user` and those of all users together.

        Arguments and errors are those of :meth:`evaluate`.
        """
        lists = ListMetrics(data, self.metrics, self.ks)
        values: dict[str, list[Tensor]] = {}
        for _, ranked, label in self.ranked_blocks(model, data, split, complete=bool(lists)):
            of_list = lists.add(ranked) if lists else {}
            for name, value in {**of_list, **self.of_hits(ranked, label)}.items():
                values.setdefault(name, []).append(value)
        arrays = {
            name: torch.cat(values[name]).double().numpy(force=True)
            for name in self.names
            if name in values
        }
        return arrays, lists.of_catalogue()

    def of_hits(self, ranked: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Returns the metrics of hits of lists, each of which has at least one relevant item.

        Args:
            ranked (Tensor): The items of each list, of shape :obj:`[num_lists, k]`.
            label (Tensor): Pairs of a list and a relevant item, by list.
        """
        # The float32 sum that PyG's metrics keep would depend on the blocks.
        ranking = LinkPredMetricData(ranked, label)
        return {
            name: metric_values(metric.to(ranked.device), ranking)
            for name, metric in self._of_hits.items()
        }

    def ranked_blocks(
        self, model: torch.nn.Module, data: HeteroData, split: str, complete: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yields blocks of users with held-out items, in ascending order, with their lists and the
        pairs of a list and a held-out item; unless :obj:`complete`, lists without a hit are empty.

        Errors are those of :meth:`evaluate`.
        """
        label_index = held_out(data, split)
        label_index = label_index[:, label_index[0].argsort(stable=True)]
        users, count = torch.unique_consecutive(label_index[0], return_counts=True)
        row = torch.arange(len(users), device=users.device).repeat_interleave(count)
        ptr = cumsum(count).tolist()
        user_emb, item_emb = compute_embeddings(model, data)
        size = count_nodes(data, USER), count_nodes(data, ITEM)
        if (len(user_emb), len(item_emb)) != size:
            raise ValueError(
                f"'model' must return embeddings of the {size[0]} users and {size[1]} items of the "
                f"data (got {len(user_emb)} and {len(item_emb)})"
            )
        best, known = BestItems(user_emb, item_emb), known_pairs(data)

        for chunk in blocks(len(users), 2**13, "Ranking"):
            labels = slice(ptr[chunk.start], ptr[chunk.stop])
            label = torch.stack([row[labels] - chunk.start, label_index[1, labels]])
            scored = score_blocks(user_emb, item_emb, users[chunk], known, self.memory_budget)
            yield users[chunk], self._rank_hits(scored, best, users[chunk], label, complete), label

    def rank(
        self, user_emb: Tensor, item_emb: Tensor, data: HeteroData, users: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the scores and indices of the :obj:`k` best items of each user, except the
        training items of the user.

        Args:
            user_emb (Tensor): The embeddings of all users, dense or sparse COO.
            item_emb (Tensor): The embeddings of all items, dense or sparse COO.
            data (HeteroData): The data with the training interactions.
            users (Tensor): The users, in any order.
            k (int): The length of a list, at most the number of items.

        Returns:
            Two tensors of shape :obj:`[len(users), min(k, num_items)]`. Lists of users with fewer
            candidates are padded with the score :obj:`-inf` and the index :obj:`num_items`.

        Raises:
            ValueError: If :obj:`k` is less than 1, or the embeddings do not match each other, the
                users or the data.
            FloatingPointError: If a score may not be finite.
        """
        check_integer("k", k, 1)
        known = known_pairs(data, (len(user_emb), len(item_emb)))
        best = BestItems(user_emb, item_emb)
        scored = score_blocks(user_emb, item_emb, users, known, self.memory_budget)
        ranked = [best.rank(scores, users[rows], k) for rows, scores in scored]
        values, items = zip(*ranked, strict=True)
        return torch.cat(values), torch.cat(items)

    def _rank_hits(
        self,
        scored: Iterator[tuple[slice, Tensor]],
        best: BestItems,
        users: Tensor,
        label: Tensor,
        complete: bool,
    ) -> Tensor:
        # A user for whom k items score higher than every held-out one has no hit. Counting them is
        # faster than ranking, so only the other users are ranked.
        k = min(max(self.ks), best.num_items)
        ranked = users.new_full((len(users), k), best.num_items)
        first_label = torch.searchsorted(
            label[0], torch.arange(len(users) + 1, device=label.device)
        ).tolist()
        is_better = torch.empty(0, device=users.device)
        for rows, scores in scored:
            if complete:
                ranked[rows] = best.choose(scores, users[rows], k)
                continue
            row, item = label[:, first_label[rows.start] : first_label[rows.stop]]
            row = row - rows.start
            bar = scores.new_full((len(scores),), -torch.inf)
            bar.scatter_reduce_(0, row, scores[row, item], "amax")
            bar += 2 * best.tolerance(users[rows])
            torch.gt(scores, bar.unsqueeze(1), out=is_better.resize_(scores.size()))
            hit = (is_better.sum(dim=1) < k).nonzero().view(-1)
            ranked[rows.start + hit] = best.choose(scores[hit], users[rows][hit], k)
        return ranked

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(ks={self.ks})"


@torch.no_grad()
def compute_embeddings(model: torch.nn.Module, data: HeteroData) -> tuple[Tensor, Tensor]:
    """Returns the embeddings of a model in evaluation mode, and restores its mode. Raises
    :class:`TypeError` if the model returns anything else.
    """
    training = model.training
    model.eval()
    try:
        embeddings: tuple[Tensor, Tensor] = model(data)
    finally:
        model.train(training)
    is_pair = isinstance(embeddings, tuple | list) and len(embeddings) == 2
    if not is_pair or not all(isinstance(emb, Tensor) for emb in embeddings):
        raise TypeError(
            "'model' must return two tensors, the embeddings of users and items (got "
            f"{embeddings!r:.80})"
        )
    return embeddings
