from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.item_index import IndexRanker, ItemIndex
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_at_least
from soil_pyg.utils.progress import blocks

MAX_QUERIES = 2**13
LINE_BYTES = 256
"""What a line of a table may take, with the copies that are made of it."""


@dataclass(frozen=True)
class Ranking:
    """The candidates of many queries by their inner product, ties by the smaller id, as tables in
    the ids of the original data.

    Args:
        query_emb (Tensor): The embeddings of all that can be queries, dense or sparse COO.
        item_emb (Tensor): The embeddings of the candidates, dense or sparse COO.
        queries (Tensor): The queries, in any order.
        mask_index (Tensor): The pairs of query and candidate to leave out, of shape
            :obj:`[2, num_pairs]`.
        query_id (numpy.ndarray): The original ids of all that can be queries.
        item_id (numpy.ndarray): The original ids of the candidates.
        columns (tuple[str, str], optional): What queries and candidates are called in the tables.
            (default: :obj:`("user", "item")`)
        index (ItemIndex, optional): An index of the candidates to search, instead of scoring all
            of them. (default: :obj:`None`)
    """

    query_emb: Tensor
    item_emb: Tensor
    queries: Tensor
    mask_index: Tensor
    query_id: np.ndarray
    item_id: np.ndarray
    columns: tuple[str, str] = ("user", "item")
    index: ItemIndex | None = None

    def restricted_to(self, candidates: Tensor) -> "Ranking":
        """Returns the ranking of some of the candidates.

        Args:
            candidates (Tensor): Their positions, ascending.
        """
        position = candidates.new_full((len(self.item_id),), -1)
        position[candidates] = torch.arange(len(candidates))
        mask_index = torch.stack([self.mask_index[0], position[self.mask_index[1]]])
        return replace(
            self,
            item_emb=self.item_emb.index_select(0, candidates),
            mask_index=mask_index[:, mask_index[1] >= 0],
            item_id=self.item_id[candidates.numpy()],
        )

    def frames(self, k: int, memory_budget: int = 2**30) -> Iterator[pd.DataFrame]:
        """Returns an iterator over tables of queries, ranks, candidates and scores, block by block.

        There is at least one table; a query with fewer candidates has fewer lines.

        Args:
            k (int): The number of candidates a query.
            memory_budget (int): Bytes that a block may take. (default: :obj:`2**30`)

        Raises:
            ValueError: If an argument is less than 1.
        """
        check_at_least("k", k, 1)
        check_at_least("memory_budget", memory_budget, 1)
        return self._frames(min(k, len(self.item_id)), memory_budget)

    def _frames(self, k: int, memory_budget: int) -> Iterator[pd.DataFrame]:
        # Half for the scores, half for the table.
        rank = self._ranker(memory_budget // 2)
        # Rows are taken from arrays of pandas, whose strings are not copied one by one.
        names = tuple(pd.Series(ids).array for ids in (self.query_id, self.item_id))
        size = min(MAX_QUERIES, max(1, memory_budget // (2 * LINE_BYTES * max(1, k))))
        queries = self.queries if k > 0 else self.queries[:0]
        for block in blocks(len(queries), size, "Ranking"):
            rows = queries[block]
            score, item = rank(rows, k)
            row, place = (score > -torch.inf).nonzero().unbind(1)
            yield self._frame(names, rows[row], place, item[row, place], score[row, place])
        if len(queries) == 0:
            none = queries[:0]
            yield self._frame(names, none, none, none, none.float())

    def _ranker(self, memory_budget: int) -> Callable[[Tensor, int], tuple[Tensor, Tensor]]:
        if self.index is not None:
            num_items = len(self.item_id)
            return IndexRanker(
                self.index, self.query_emb, self.mask_index, num_items, memory_budget
            ).rank
        masked = HeteroData()
        masked[INTERACTS].edge_index = self.mask_index
        rank = Evaluator(memory_budget=max(1, memory_budget)).rank
        return lambda queries, k: rank(self.query_emb, self.item_emb, masked, queries, k)

    def _frame(
        self, names: tuple, query: Tensor, place: Tensor, item: Tensor, score: Tensor
    ) -> pd.DataFrame:
        first, second = self.columns
        columns = {
            first: names[0].take(query.numpy()),
            "rank": (place + 1).numpy(),
            second: names[1].take(item.numpy()),
            "score": score.numpy(),
        }
        return pd.DataFrame(columns, copy=False)
