import torch
from torch import Tensor

from soil_pyg.item_index import ItemIndex
from soil_pyg.progress import blocks

ENTRY_BYTES = 64
"""What an item that was found may take, with its copies and its order."""


class IndexRanker:
    """Ranks the items that an index finds for users; as many more are looked for as are masked.

    Args:
        index (ItemIndex): The index of the items.
        query_emb (Tensor): The embeddings of all users.
        mask_index (Tensor): The pairs of user and item to leave out, of shape
            :obj:`[2, num_pairs]`.
        num_items (int): The number of items.
        memory_budget (int): Bytes that a block may take.
    """

    def __init__(
        self,
        index: ItemIndex,
        query_emb: Tensor,
        mask_index: Tensor,
        num_items: int,
        memory_budget: int,
    ) -> None:
        self.index = index
        self.query_emb = query_emb
        self.num_items = num_items
        self.memory_budget = memory_budget
        self._masked = (mask_index[0] * num_items + mask_index[1]).sort().values
        self._num_masked = torch.bincount(mask_index[0], minlength=query_emb.size(0))

    def rank(self, users: Tensor, k: int) -> tuple[Tensor, Tensor]:
        r"""Returns the scores and the ids of the :obj:`k` best items that are found for each user,
        ties by the smaller id, filled up with the score :math:`-\infty`.

        Args:
            users (Tensor): The users.
            k (int): The number of items, at most as many as there are.
        """
        score = torch.full((len(users), k), -torch.inf)
        item = users.new_zeros(len(users), k)
        depth = min(k + int(self._num_masked[users].max()), self.num_items)
        size = max(1, self.memory_budget // (ENTRY_BYTES * depth))
        for block in blocks(len(users), size, "Searching"):
            score[block], item[block] = self._search(users[block], k, depth)
        return score, item

    def _search(self, users: Tensor, k: int, depth: int) -> tuple[Tensor, Tensor]:
        score, item = self.index.search(self.query_emb[users], depth)
        pair = users.unsqueeze(1) * self.num_items + item
        at = torch.searchsorted(self._masked, pair).clamp(max=max(len(self._masked) - 1, 0))
        if len(self._masked) > 0:
            score[self._masked[at] == pair] = -torch.inf
        item, order = item.sort(dim=1)
        score, order = score.gather(1, order).sort(dim=1, descending=True, stable=True)
        return score[:, :k], item.gather(1, order)[:, :k]
