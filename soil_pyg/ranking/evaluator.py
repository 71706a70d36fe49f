import reprlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import LinkPredMAP, LinkPredNDCG, LinkPredPrecision, LinkPredRecall
from torch_geometric.metrics.link_pred import LinkPredMetricData
from torch_geometric.utils import cumsum

from soil_pyg.ranking.best_items import BestItems
from soil_pyg.ranking.held_out import held_out
from soil_pyg.ranking.score_blocks import score_blocks
from soil_pyg.typing import INTERACTS, ITEM, TRAINED_EARLIER, USER
from soil_pyg.utils._private import metric_values
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import check_edges, count_nodes
from soil_pyg.utils.progress import blocks

METRICS = {
    "recall": LinkPredRecall,
    "ndcg": LinkPredNDCG,
    "precision": LinkPredPrecision,
    "map": LinkPredMAP,
}
MAX_K = 2**20
"""The largest length of a list: PyG's metrics hold a number per rank."""


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
        self.ks = check_ks(ks)
        check_integer("memory_budget", memory_budget, 1)
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
            ValueError: If the split is unknown, has no interaction that the train split lacks, or
                the embeddings do not match the data.
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
        size = count_nodes(data, USER), count_nodes(data, ITEM)
        if (len(user_emb), len(item_emb)) != size:
            raise ValueError(
                f"'model' must return embeddings of the {size[0]} users and {size[1]} items of the "
                f"data (got {len(user_emb)} and {len(item_emb)})"
            )
        best, known = BestItems(user_emb, item_emb), _known(data)

        values: dict[str, list[Tensor]] = {name: [] for name in self.metrics}
        for chunk in blocks(len(users), 2**13, "Ranking"):
            labels = slice(ptr[chunk.start], ptr[chunk.stop])
            label = torch.stack([row[labels] - chunk.start, label_index[1, labels]])
            scored = score_blocks(user_emb, item_emb, users[chunk], known, self.memory_budget)
            ranked = self._rank_hits(scored, best, users[chunk], label)
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
            ValueError: If :obj:`k` is less than 1, or the embeddings do not match each other, the
                users or the data.
            FloatingPointError: If a score may not be finite.
        """
        check_integer("k", k, 1)
        known = _known(data, (len(user_emb), len(item_emb)))
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


def check_ks(ks: Sequence[int]) -> tuple[int, ...]:
    """Returns list lengths in ascending order, each once, or raises :class:`ValueError` unless they
    are integers of at least 1.
    """
    if isinstance(ks, str) or not isinstance(ks, Iterable) or len(values := list(ks)) == 0:
        raise ValueError(f"'ks' must be a list of integers (got {reprlib.repr(ks)})")
    for k in values:
        check_integer("ks", k, 1, MAX_K)
    return tuple(sorted({int(k) for k in values}))


def _known(data: HeteroData, size: tuple[int, int] | None = None) -> Tensor:
    """Returns the pairs that are not ranked."""
    pairs = check_edges(data, size=size)
    if TRAINED_EARLIER not in data[INTERACTS]:
        return pairs
    return torch.cat([pairs, check_edges(data, INTERACTS, TRAINED_EARLIER, size=size)], dim=1)


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
