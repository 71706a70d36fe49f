from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import LinkPredMAP, LinkPredNDCG, LinkPredPrecision, LinkPredRecall
from torch_geometric.metrics.link_pred import LinkPredMetricData
from torch_geometric.utils import cumsum

from soil_pyg.ops.topk import topk_by_id
from soil_pyg.ranking.score_blocks import score_blocks
from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS, TRAINED_EARLIER
from soil_pyg.utils._private import metric_values
from soil_pyg.utils.checks import check_at_least, check_choice
from soil_pyg.utils.progress import blocks

METRICS = {
    "recall": LinkPredRecall,
    "ndcg": LinkPredNDCG,
    "precision": LinkPredPrecision,
    "map": LinkPredMAP,
}


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

    Raises:
        ValueError: If :obj:`ks` is empty, or an argument is less than 1.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> from soil_pyg.models import Popularity
        >>> data = SyntheticMultimodal(40, 30)[0]
        >>> list(Evaluator(ks=[10]).evaluate(Popularity(num_users=40, num_items=30), data))
        ['recall@10', 'ndcg@10', 'precision@10', 'map@10']
    """

    def __init__(self, ks: Sequence[int] = (5, 10, 20, 50), memory_budget: int = 2**30) -> None:
        if len(ks) == 0 or min(ks) < 1:
            raise ValueError(f"'ks' must hold numbers of at least 1 (got {list(ks)})")
        check_at_least("memory_budget", memory_budget, 1)
        self.ks = tuple(sorted(set(ks)))
        self.memory_budget = memory_budget
        self.metrics = {f"{name}@{k}": cls(k) for name, cls in METRICS.items() for k in self.ks}

    def evaluate(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, float]:
        """Returns the mean of each metric over users, by names such as :obj:`"recall@20"`.

        Args:
            model (torch.nn.Module): The model, called with :obj:`data` in evaluation mode.
            data (HeteroData): The data with the graphs of the model.
            split (str): The split, :obj:`"val"` or :obj:`"test"`. (default: :obj:`"val"`)

        Raises:
            ValueError: If the split is unknown or empty.
            FloatingPointError: If a score may not be finite.
        """
        values = self.evaluate_per_user(model, data, split)
        return {name: float(value.mean()) for name, value in values.items()}

    def evaluate_per_user(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, np.ndarray]:
        """Returns each metric per user with held-out items, in ascending order of the users.

        Arguments and errors are those of :meth:`evaluate`.
        """
        label_index = held_out(data, split)
        label_index = label_index[:, label_index[0].argsort(stable=True)]
        users, count = torch.unique_consecutive(label_index[0], return_counts=True)
        row = torch.arange(len(users), device=users.device).repeat_interleave(count)
        ptr = cumsum(count).tolist()
        user_emb, item_emb = compute_embeddings(model, data)

        values: dict[str, list[Tensor]] = {name: [] for name in self.metrics}
        for chunk in blocks(len(users), 2**13, "Ranking"):
            labels = slice(ptr[chunk.start], ptr[chunk.stop])
            label = torch.stack([row[labels] - chunk.start, label_index[1, labels]])
            ranked = self._rank_hits(user_emb, item_emb, data, users[chunk], label)
            # The float32 sum that PyG's metrics keep would depend on the blocks.
            ranking = LinkPredMetricData(ranked, label)
            for name, metric in self.metrics.items():
                values[name].append(metric_values(metric.to(users.device), ranking))
        return {name: torch.cat(value).double().numpy(force=True) for name, value in values.items()}

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
            ValueError: If :obj:`k` is less than 1.
            FloatingPointError: If a score may not be finite.
        """
        known = _known(data)
        scored = score_blocks(user_emb, item_emb, users, known, self.memory_budget)
        values, items = zip(*(_best_items(scores, k) for _, scores in scored), strict=True)
        return torch.cat(values), torch.cat(items)

    def _rank_hits(
        self, user_emb: Tensor, item_emb: Tensor, data: HeteroData, users: Tensor, label: Tensor
    ) -> Tensor:
        # A user for whom k items score higher than every held-out one has no hit. Counting them is
        # faster than ranking, so only the other users are ranked.
        k = min(max(self.ks), item_emb.size(0))
        ranked = users.new_full((len(users), k), item_emb.size(0))
        first_label = torch.searchsorted(
            label[0], torch.arange(len(users) + 1, device=label.device)
        ).tolist()
        known = _known(data)
        is_better = torch.empty(0, device=users.device)
        for rows, scores in score_blocks(user_emb, item_emb, users, known, self.memory_budget):
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
    """Returns the interactions of a held-out split; raises :class:`ValueError` if it is unknown
    or empty.
    """
    check_choice("split", split, HELD_OUT_SPLITS)
    label_index: Tensor | None = data[INTERACTS].get(f"{split}_edge_label_index")
    if label_index is None or label_index.size(1) == 0:
        raise ValueError(f"'data' must hold interactions of the split '{split}' (got none)")
    return label_index


def _known(data: HeteroData) -> Tensor:
    """Returns the pairs that are not ranked."""
    pairs: Tensor = data[INTERACTS].edge_index
    earlier = data[INTERACTS].get(TRAINED_EARLIER)
    return pairs if earlier is None else torch.cat([pairs, earlier], dim=1)


@torch.no_grad()
def compute_embeddings(model: torch.nn.Module, data: HeteroData) -> tuple[Tensor, Tensor]:
    """Returns the embeddings of a model in evaluation mode, and restores its mode."""
    training = model.training
    model.eval()
    try:
        embeddings: tuple[Tensor, Tensor] = model(data)
        return embeddings
    finally:
        model.train(training)


def _best_items(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    values, items = topk_by_id(scores, k)
    return values, items.masked_fill(values == -torch.inf, scores.size(1))
