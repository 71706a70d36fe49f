from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.metrics import LinkPredMAP, LinkPredNDCG, LinkPredPrecision, LinkPredRecall
from torch_geometric.metrics.link_pred import LinkPredMetricData
from torch_geometric.utils import cumsum

from soil_pyg.nn.topk import topk
from soil_pyg.progress import blocks as late_progress
from soil_pyg.typing import INTERACTS

METRICS = {
    "recall": LinkPredRecall,
    "ndcg": LinkPredNDCG,
    "precision": LinkPredPrecision,
    "map": LinkPredMAP,
}
SPLITS = ("val", "test")


class Evaluator:
    r"""Full ranking: for every user with held-out items, all items but the user's training items
    are ranked by score, ties by the smaller item id, and the top of the list is compared with the
    held-out items by PyG's ranking metrics.

    Users are scored in blocks; neither their number nor the number of threads changes a result.

    Args:
        ks (Sequence[int]): The lengths of the list to evaluate. (default: :obj:`(5, 10, 20, 50)`)
        memory_budget (int): Bytes that the scores of a block may take.
            (default: :obj:`2**30`)

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
            FloatingPointError: If a score is not a number or positive infinity.
        """
        values = self.evaluate_per_user(model, data, split)
        return {name: float(value.mean()) for name, value in values.items()}

    def evaluate_per_user(
        self, model: torch.nn.Module, data: HeteroData, split: str = "val"
    ) -> dict[str, np.ndarray]:
        """Returns each metric of every user with held-out items, in ascending order of the users.

        Takes the arguments of :meth:`evaluate`, and raises the same errors.
        """
        label_index = _sort_by_user(held_out(data, split))
        users, count = label_index[0].unique_consecutive(return_counts=True)
        row = torch.arange(len(users), device=users.device).repeat_interleave(count)
        ptr = cumsum(count)
        user_emb, item_emb = embed(model, data)

        values: dict[str, list[Tensor]] = {name: [] for name in self.metrics}
        for block in late_progress(len(users), 2**13, "Ranking"):
            ranked = self.rank(user_emb, item_emb, data, users[block], max(self.ks))[1]
            labels = slice(int(ptr[block.start]), int(ptr[block.stop]))
            label = (row[labels] - block.start, label_index[1, labels])
            # PyG's metrics keep no more than a float32 sum, which depends on the blocks; the values
            # that they sum do not.
            ranking = LinkPredMetricData(ranked, label)
            for name, metric in self.metrics.items():
                values[name].append(metric.to(users.device)._compute(ranking))
        return {name: torch.cat(value).double().numpy(force=True) for name, value in values.items()}

    @torch.no_grad()
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
            FloatingPointError: If a score is not a number or positive infinity.
        """
        num_items = item_emb.size(0)
        user_emb, item_emb = _prepare(user_emb), _prepare(item_emb.t())
        edge_index = _sort_by_user(data[INTERACTS].edge_index)
        block_size = self._block_size(num_items, users.device)
        blocks = users.tensor_split(max(-(-len(users) // block_size), 1))
        # Memory that is used again is in the cache.
        memory = user_emb.new_empty(0 if user_emb.is_sparse else len(blocks[0]), num_items)
        ranked = []
        for block in blocks:
            scores = _scores(user_emb, item_emb, block, memory)
            row, index = _entries(edge_index[0], block)
            scores[row, edge_index[1, index]] = -torch.inf
            value, item = topk(scores, k)
            if bool((value.isnan() | value.isposinf()).any()):
                raise FloatingPointError(
                    "The scores must be numbers (got nan or inf): the embeddings of the model hold "
                    "nan or inf, or are too large"
                )
            ranked.append((value, item.masked_fill(value == -torch.inf, num_items)))
        values, items = zip(*ranked, strict=True)
        return torch.cat(values), torch.cat(items)

    def _block_size(self, num_items: int, device: torch.device) -> int:
        limit = self.memory_budget // (16 * num_items)
        if device.type == "cpu":  # A block that fits the cache is faster.
            limit = min(limit, max(2**20 // num_items, 32))
        return max(limit, 1)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(ks={self.ks})"


def held_out(data: HeteroData, split: str) -> Tensor:
    """Returns the held-out interactions of a split, or raises an error if there are none."""
    if split not in SPLITS:
        raise ValueError(f"'split' must be one of {', '.join(SPLITS)} (got '{split}')")
    label_index = data[INTERACTS].get(f"{split}_edge_label_index")
    if label_index is None or label_index.size(1) == 0:
        raise ValueError(f"The split '{split}' must hold interactions (got none)")
    return label_index


@torch.no_grad()
def embed(model: torch.nn.Module, data: HeteroData) -> tuple[Tensor, Tensor]:
    """Returns the embeddings of a model in evaluation mode, and leaves it in the mode it had."""
    training = model.training
    model.eval()
    try:
        return model(data)
    finally:
        model.train(training)


def _sort_by_user(edge_index: Tensor) -> Tensor:
    if bool((edge_index[0].diff() < 0).any()):
        edge_index = edge_index[:, edge_index[0].argsort(stable=True)]
    return edge_index.contiguous()


def _prepare(emb: Tensor) -> Tensor:
    emb = emb.coalesce() if emb.is_sparse else emb.contiguous()
    return emb if emb.dtype in (torch.float32, torch.float64) else emb.float()


def _scores(user_emb: Tensor, item_emb: Tensor, users: Tensor, memory: Tensor) -> Tensor:
    if not user_emb.is_sparse and not item_emb.is_sparse:
        return torch.mm(user_emb[users], item_emb, out=memory[: len(users)])
    if not user_emb.is_sparse:
        return user_emb[users] @ item_emb
    row, index = _entries(user_emb.indices()[0], users)
    indices = torch.stack([row, user_emb.indices()[1, index]])
    size = (len(users), user_emb.size(1))
    block = torch.sparse_coo_tensor(
        indices, user_emb.values()[index], size, is_coalesced=True, check_invariants=False
    )
    scores = block @ item_emb
    return scores.to_dense() if scores.is_sparse else scores


def _entries(sorted_rows: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    # For each of the rows: its position in the argument, once an entry, and the entry's index.
    start = torch.searchsorted(sorted_rows, rows)
    count = torch.searchsorted(sorted_rows, rows, right=True) - start
    row = torch.arange(len(rows), device=rows.device).repeat_interleave(count)
    offset = start - (count.cumsum(0) - count)
    return row, torch.arange(len(row), device=rows.device) + offset[row]
