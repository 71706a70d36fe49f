from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import (
    LinkPredMAP,
    LinkPredNDCG,
    LinkPredPrecision,
    LinkPredRecall,
)
from torch_geometric.metrics.link_pred import LinkPredMetricData
from torch_geometric.utils import cumsum

from soil_pyg.ops.topk import topk_by_id
from soil_pyg.ranking.score_blocks import score_blocks
from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS
from soil_pyg.utils._private import metric_values
from soil_pyg.utils.progress import blocks

METRICS = {
    "recall": LinkPredRecall,
    "ndcg": LinkPredNDCG,
    "precision": LinkPredPrecision,
    "map": LinkPredMAP,
}


class Evaluator:
    r"""Full ranking: for every user with held-out items, all items but the user's training items
    are ranked by score, ties by the smaller item id, and the top of the list is compared with the
    held-out items by PyG's ranking metrics.

    Users are scored in blocks; neither their number nor the number of threads changes a result.

    Args:
        ks (Sequence[int]): The lengths of the list to evaluate. (default: :obj:`(5, 10, 20, 50)`)
        memory_budget (int): Bytes that the scores of a block may take. (default: :obj:`2**30`)

    Raises:
        ValueError: If there is no :obj:`k`, or if an argument is less than 1.

    Example:
        >>> from soil_pyg.models import Popularity
        >>> data = HeteroData({"user": {"num_nodes": 2}, "item": {"num_nodes": 3}})
        >>> edges = data["user", "interacts", "item"]
        >>> edges.edge_index = torch.tensor([[0, 0, 1], [0, 1, 1]])
        >>> edges.val_edge_label_index = torch.tensor([[0, 1], [2, 2]])
        >>> model = Popularity(num_users=2, num_items=3)
        >>> Evaluator(ks=[1, 2]).evaluate(model, data)["recall@1"]
        0.5
    """

    def __init__(self, ks: Sequence[int] = (5, 10, 20, 50), memory_budget: int = 2**30) -> None:
        if len(ks) == 0 or min(ks) < 1:
            raise ValueError(f"'ks' must hold numbers of at least 1 (got {list(ks)})")
        if memory_budget < 1:
            raise ValueError(f"'memory_budget' must be at least 1 (got {memory_budget})")
        self.ks = tuple(sorted(set(ks)))
        self.memory_budget = memory_budget
        self.metrics = {f"{name}@{k}": cls(k) for name, cls in METRICS.items() for k in self.ks}

    def evaluate(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, float]:
        """Returns the mean over users of each metric, by names such as :obj:`"recall@20"`.

        Args:
            model (torch.nn.Module): The model, called with :obj:`data` in evaluation mode.
            data (HeteroData): The data that the model was made for.
            split (str): The held-out interactions: :obj:`"val"` or :obj:`"test"`.
                (default: :obj:`"val"`)

        Raises:
            ValueError: If the split is unknown or empty.
            FloatingPointError: If a score may not be finite.
        """
        values = self.evaluate_per_user(model, data, split)
        return {name: float(value.mean()) for name, value in values.items()}

    def evaluate_per_user(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, np.ndarray]:
        """Returns each metric of every user with held-out items, in ascending order of the users.

        Takes the arguments of :meth:`evaluate`, and raises the same errors.
        """
        label_index = held_out(data, split)
        label_index = label_index[:, label_index[0].argsort(stable=True)]
        users, count = label_index[0].unique_consecutive(return_counts=True)
        row = torch.arange(len(users), device=users.device).repeat_interleave(count)
        ptr = cumsum(count).tolist()
        user_emb, item_emb = compute_embeddings(model, data)

        values: dict[str, list[Tensor]] = {name: [] for name in self.metrics}
        for chunk in blocks(len(users), 2**13, "Ranking"):
            labels = slice(ptr[chunk.start], ptr[chunk.stop])
            label = torch.stack([row[labels] - chunk.start, label_index[1, labels]])
            ranked = self._rank_hits(user_emb, item_emb, data, users[chunk], label)
            # PyG's metrics keep no more than a float32 sum, which depends on the blocks; the values
            # that they sum do not.
            ranking = LinkPredMetricData(ranked, label)
            for name, metric in self.metrics.items():
                values[name].append(metric_values(metric.to(users.device), ranking))
        return {name: torch.cat(value).double().numpy(force=True) for name, value in values.items()}

    def rank(
        self, user_emb: Tensor, item_emb: Tensor, data: HeteroData, users: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the scores and the ids of the :obj:`k` best items of each user, without the
        user's training items.

        Args:
            user_emb (Tensor): The embeddings of all users, dense or sparse COO.
            item_emb (Tensor): The embeddings of all items, dense or sparse COO.
            data (HeteroData): The data with the training interactions.
            users (Tensor): The users to rank for, in any order.
            k (int): The length of a list, cut at the number of items.

        Returns:
            Both of shape :obj:`[len(users), min(k, num_items)]`. Where a user has fewer
            candidates, the rest is filled with score :obj:`-inf` and id :obj:`num_items`.

        Raises:
            ValueError: If :obj:`k` is less than 1.
            FloatingPointError: If a score may not be finite.
        """
        train = data[INTERACTS].edge_index
        parts = score_blocks(user_emb, item_emb, users, train, self.memory_budget)
        values, items = zip(*(_best_items(scores, k) for _, scores in parts), strict=True)
        return torch.cat(values), torch.cat(items)

    def _rank_hits(
        self, user_emb: Tensor, item_emb: Tensor, data: HeteroData, users: Tensor, label: Tensor
    ) -> Tensor:
        # Counting is faster than ranking, and tells for most users that k items are better than
        # each of their held-out ones: whatever these k items are, they are no hits.
        k = min(max(self.ks), item_emb.size(0))
        ranked = users.new_full((len(users), k), item_emb.size(0))
        first_label = torch.searchsorted(
            label[0], torch.arange(len(users) + 1, device=label.device)
        ).tolist()
        train = data[INTERACTS].edge_index
        is_better = torch.empty(0, device=users.device)
        for rows, scores in score_blocks(user_emb, item_emb, users, train, self.memory_budget):
            row, item = label[:, first_label[rows.start] : first_label[rows.stop]]
            row = row - rows.start
            best = scores.new_full((len(scores),), -torch.inf)
            best.scatter_reduce_(0, row, scores[row, item], "amax")
            torch.gt(scores, best.unsqueeze(1), out=is_better.resize_(scores.size()))
            hit = (is_better.sum(dim=1) < k).nonzero().view(-1)
            ranked[rows.start + hit] = _best_items(scores[hit], k)[1]
        return ranked

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(ks={self.ks})"


def held_out(data: HeteroData, split: str) -> Tensor:
    """Returns the held-out interactions of a split, or raises an error if there are none."""
    if split not in HELD_OUT_SPLITS:
        raise ValueError(f"'split' must be one of {', '.join(HELD_OUT_SPLITS)} (got '{split}')")
    label_index = data[INTERACTS].get(f"{split}_edge_label_index")
    if label_index is None or label_index.size(1) == 0:
        raise ValueError(f"The split '{split}' must hold interactions (got none)")
    return label_index


@torch.no_grad()
def compute_embeddings(model: torch.nn.Module, data: HeteroData) -> tuple[Tensor, Tensor]:
    """Returns the embeddings of a model in evaluation mode, and leaves it in the mode it had."""
    training = model.training
    model.eval()
    try:
        return model(data)
    finally:
        model.train(training)


def _best_items(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    values, items = topk_by_id(scores, k)
    return values, items.masked_fill(values == -torch.inf, scores.size(1))
