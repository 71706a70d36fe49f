import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.item_index import IndexRanker, ItemIndex
from soil_pyg.ranking.score_blocks import entries, sort_by_row
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.engine import map_blocks
from soil_pyg.utils.files import bytes_digest
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

    def frames(
        self,
        k: int,
        memory_budget: int = 2**30,
        engine: str = "local",
        numbers: Sequence[int] | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Returns an iterator over tables of queries, ranks, candidates and scores, one per block
        of at most :obj:`memory_budget` bytes.

        There is at least one block. Queries with fewer than :obj:`k` candidates have fewer lines.
        Raises :class:`ValueError` if an argument is less than 1.

        Args:
            k (int): The number of candidates per query.
            memory_budget (int): The bytes per block. (default: :obj:`2**30`)
            engine (str): Where blocks are ranked, see :func:`~soil_pyg.utils.engine.map_blocks`.
                (default: :obj:`"local"`)
            numbers (list[int], optional): The numbers of the blocks to rank.
                (default: all that :meth:`blocks` returns)
        """
        parts = self.blocks(k, memory_budget)
        return self._frames(
            min(k, len(self.item_id)),
            memory_budget,
            engine,
            parts if numbers is None else [parts[number] for number in numbers],
        )

    def blocks(self, k: int, memory_budget: int = 2**30) -> list[slice]:
        """Returns the queries of each table of :meth:`frames`, at least one."""
        check_integer("k", k, 1)
        check_integer("memory_budget", memory_budget, 1)
        k = min(k, len(self.item_id))
        size = min(MAX_QUERIES, max(1, memory_budget // (2 * LINE_BYTES * max(1, k))))
        stop = len(self.queries) if k > 0 else 0
        return [slice(n, min(n + size, stop)) for n in range(0, stop, size)] or [slice(0, 0)]

    def digest(self, k: int, memory_budget: int) -> str:
        """Returns a digest of what the tables depend on, except for the ids."""
        last = self.blocks(k, memory_budget)[-1]
        embeddings = [
            x.coalesce().values() if x.is_sparse else x for x in (self.query_emb, self.item_emb)
        ]
        arrays = (self.queries, self.mask_index, *embeddings)
        content = (x.detach().cpu().contiguous().numpy().reshape(-1).view("u1") for x in arrays)
        sizes = f"{k} {last} {self.query_emb.size()} {self.item_emb.size()}".encode()
        # An exact index finds what scoring all candidates finds.
        index = None if self.index is None or self.index.is_exact else self.index.description
        searched = [] if index is None else [json.dumps(index, sort_keys=True).encode()]
        return bytes_digest([sizes, *(x.data for x in content), *searched])

    def _frames(
        self, k: int, memory_budget: int, engine: str, parts: list[slice]
    ) -> Iterator[pd.DataFrame]:
        # Arrays of pandas share their strings, those of NumPy copy them.
        query_id, item_id = pd.Series(self.query_id).array, pd.Series(self.item_id).array
        query_name, item_name = self.columns
        steps = (parts[step.start] for step in blocks(len(parts), 1, "Ranking"))
        queries = (self.queries[part] for part in parts)
        # Half of the budget is for the scores, half for the table.
        ranked = self.ranked(steps, k, memory_budget // 2, engine)
        for query, (score, item) in zip(queries, ranked, strict=True):
            row, place = (score > -torch.inf).nonzero().unbind(1)
            columns = {
                query_name: query_id.take(query[row].numpy()),
                "rank": (place + 1).numpy(),
                item_name: item_id.take(item[row, place].numpy()),
                "score": score[row, place].numpy(),
            }
            yield pd.DataFrame(columns, copy=False)

    def ranked(
        self, parts: Iterable[slice], k: int, memory_budget: int, engine: str = "local"
    ) -> Iterator[tuple[Tensor, Tensor]]:
        r"""Returns an iterator over the scores and indices of the best candidates, at most
        :obj:`k`, of parts of the queries. Lists are padded with the score :math:`-\infty`.

        Args:
            parts (list[slice]): The parts of the queries.
            k (int): The number of candidates per query, at most that of all.
            memory_budget (int): The bytes of a block of scores.
            engine (str): Where parts are ranked, see :func:`~soil_pyg.utils.engine.map_blocks`.
                (default: :obj:`"local"`)
        """
        # An exact index would compare all candidates as well.
        if self.index is not None and not self.index.is_exact:
            rank = IndexRanker(
                self.index, self.query_emb, self.item_emb, self.mask_index, memory_budget
            ).rank
            yield from (rank(self.queries[part], k) for part in parts)
            return
        masked, candidate = sort_by_row(self.mask_index).contiguous()

        def cut(part: slice) -> _Block:
            query = self.queries[part]
            row, index = entries(masked, query)
            mask_index = torch.stack([row, candidate[index]])
            return _Block(self.query_emb.index_select(0, query), mask_index)

        tables = _Tables(self.item_emb, k, max(1, memory_budget))
        yield from map_blocks(_rank_block, tables, map(cut, parts), engine)


class _Tables(NamedTuple):
    item_emb: Tensor
    k: int
    memory_budget: int


class _Block(NamedTuple):
    query_emb: Tensor
    mask_index: Tensor
    """Pairs of row and candidate to leave out, sorted by row."""


def _rank_block(tables: _Tables, block: _Block) -> tuple[Tensor, Tensor]:
    size = len(block.query_emb)
    if size == 0 or tables.k == 0:
        return torch.empty(size, tables.k), torch.empty(size, tables.k, dtype=torch.long)
    masked = HeteroData()
    masked[INTERACTS].edge_index = block.mask_index
    rank = Evaluator(memory_budget=tables.memory_budget).rank
    return rank(block.query_emb, tables.item_emb, masked, torch.arange(size), tables.k)
