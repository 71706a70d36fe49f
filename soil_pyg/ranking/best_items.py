import torch
from torch import Tensor

from soil_pyg.ops.pairs import exact_inner_product, rank_pairs
from soil_pyg.ops.topk import ROUNDING, topk_by_id, topk_rescored
from soil_pyg.ops.vectors import norms
from soil_pyg.ranking.score_blocks import check_embeddings


class BestItems:
    r"""Chooses the best items of users from blocks of their scores, ties by the smaller index.

    Scores of dense embeddings that may differ by rounding alone are compared in double precision,
    so that the choice does not depend on the blocks or on threads. :math:`-\infty` marks items that
    are no candidates; lists with fewer candidates are padded with the index :obj:`num_items`.

    Raises:
        ValueError: If the embeddings do not match each other.

    Example:
        >>> emb = torch.tensor([[1.0], [3.0], [2.0]])
        >>> BestItems(emb, emb).choose(emb[:1] @ emb.t(), torch.tensor([0]), k=2)
        tensor([[1, 2]])
    """

    def __init__(self, user_emb: Tensor, item_emb: Tensor) -> None:
        check_embeddings(user_emb, item_emb)
        self.num_items = item_emb.size(0)
        self._is_rounded = not (
            user_emb.is_sparse
            or item_emb.is_sparse
            or torch.float64 in (user_emb.dtype, item_emb.dtype)
        )
        if self._is_rounded:
            self._user_emb, self._item_emb = user_emb.detach().float(), item_emb.detach().float()
            self._longest = norms(self._item_emb).amax() if self.num_items > 0 else 0.0

    def tolerance(self, users: Tensor) -> Tensor:
        """Returns the largest difference that rounding can make to the scores of users."""
        if not self._is_rounded:
            return torch.zeros(len(users), device=users.device)
        return ROUNDING * self._longest * norms(self._user_emb[users])

    def choose(self, scores: Tensor, users: Tensor, k: int) -> Tensor:
        """Returns the :obj:`min(k, num_items)` best items of each user, the best one first."""
        return self._choose(scores, users, k, ordered=True)[1]

    def rank(self, scores: Tensor, users: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Returns the items of :meth:`choose` with their scores, which do not depend on the
        block.
        """
        values, items = self._choose(scores, users, k, ordered=False)
        if not self._is_rounded:
            return values, items
        return rank_pairs(self._user_emb[users], self._item_emb, items, items < self.num_items)

    def _choose(
        self, scores: Tensor, users: Tensor, k: int, ordered: bool
    ) -> tuple[Tensor, Tensor]:
        if not self._is_rounded:
            values, items = topk_by_id(scores, k)
            return values, items.masked_fill(values == -torch.inf, self.num_items)
        query = self._user_emb[users]
        values, items = topk_rescored(
            scores,
            min(k, self.num_items),
            self.tolerance(users),
            lambda row, item: exact_inner_product(query, self._item_emb, row, item),
            ordered,
        )
        return values, items.masked_fill(items < 0, self.num_items)
