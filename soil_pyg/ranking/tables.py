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
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.progress import blocks

MAX_QUERIES = 2**13
"""The largest number of queries per table."""

LINE_BYTES = 256
"""The bytes per line of a table, including the copies that pandas makes."""


@dataclass(frozen=True)
class Ranking:
    """A ranking of candidates for many queries by inner product, ties by the smaller index, as
    tables with original ids.

    The embeddings, dense or sparse COO, and the ids are those of all possible queries and of the
    candidates. :obj:`queries` are indices in any order; :obj:`mask_index` holds the pairs of query
    and candidate to leave out, in shape :obj:`[2, num_pairs]`. An :obj:`index` is searched instead
    of scoring all candidates.
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
        """Returns the ranking of some of the candidates, by their ascending indices."""
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
        """Returns an iterator over tables of queries, ranks, candidates and scores, one per block
        of at most :obj:`memory_budget` bytes.

        There is at least one table. Queries with fewer than :obj:`k` candidates have fewer lines.
        Raises :class:`ValueError` if an argument is less than 1.
        """
        check_integer("k", k, 1)
        check_integer("memory_budget", memory_budget, 1)
        return self._frames(min(k, len(self.item_id)), memory_budget)

    def _frames(self, k: int, memory_budget: int) -> Iterator[pd.DataFrame]:
        # Half of the budget is for the scores, half for the table.
        rank = self.ranker(memory_budget // 2)
        # Arrays of pandas share their strings, those of NumPy copy them.
        query_id, item_id = pd.Series(self.query_id).array, pd.Series(self.item_id).array
        query_name, item_name = self.columns

        def frame(query: Tensor, place: Tensor, item: Tensor, score: Tensor) -> pd.DataFrame:
            columns = {
                query_name: query_id.take(query.numpy()),
                "rank": (place + 1).numpy(),
                item_name: item_id.take(item.numpy()),
                "score": score.numpy(),
            }
            return pd.DataFrame(columns, copy=False)

        size = min(MAX_QUERIES, max(1, memory_budget // (2 * LINE_BYTES * max(1, k))))
        queries = self.queries if k > 0 else self.queries[:0]
        for block in blocks(len(queries), size, "Ranking"):
            rows = queries[block]
            score, item = rank(rows, k)
            row, place = (score > -torch.inf).nonzero().unbind(1)
            yield frame(rows[row], place, item[row, place], score[row, place])
        if len(queries) == 0:
            none = queries[:0]
            yield frame(none, none, none, none.float())

    def ranker(self, memory_budget: int) -> Callable[[Tensor, int], tuple[Tensor, Tensor]]:
        r"""Returns the function that maps queries and a number of candidates :obj:`k`, at most all,
        to the scores and indices of the best ones. Lists are padded with the score
        :math:`-\infty`. A block of scores takes at most :obj:`memory_budget` bytes.
        """
        # An exact index would compare all candidates as well.
        if self.index is not None and not self.index.is_exact:
            return IndexRanker(
                self.index, self.query_emb, self.item_emb, self.mask_index, memory_budget
            ).rank
        masked = HeteroData()
        masked[INTERACTS].edge_index = self.mask_index
        rank = Evaluator(memory_budget=max(1, memory_budget)).rank
        return lambda queries, k: rank(self.query_emb, self.item_emb, masked, queries, k)
