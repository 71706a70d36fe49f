from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from soil_pyg.ops.faiss_library import import_faiss
from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.ranking.tables import Ranking

MAX_QUERIES = 256
"""The number of queries from which on a batch takes no further request."""

MEMORY_BUDGET = 2**27
"""The bytes of the scores of a block of queries."""

Best = list[tuple[list[int], list[float]]]
"""The items of each query, the best one first, and their scores."""

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ranking")


@dataclass(eq=False)
class _Request:
    query_emb: Tensor
    masked: list[Tensor]
    k: int
    answer: "Future[Best]" = field(default_factory=Future)


class Batcher:
    """Ranks items for the queries of concurrent requests together.

    The requests that arrive while a batch is ranked form the next one, so that none waits for
    others to come. Scores do not depend on the batch.

    Args:
        emb (Tensor): The embeddings of all items.
        items (Tensor, optional): The items to rank, ascending. Their embeddings are copied.
            (default: :obj:`None`, all)
        index (ItemIndex, optional): The index that is searched instead of scoring all items.
            (default: :obj:`None`)

    Example:
        >>> emb = torch.tensor([[1.0], [3.0], [2.0]])
        >>> Batcher(emb).rank(emb[:1], [torch.tensor([1])], k=2).result()
        [([2, 0], [2.0, 1.0])]
    """

    def __init__(
        self, emb: Tensor, items: Tensor | None = None, index: ItemIndex | None = None
    ) -> None:
        self._items, self._index = items, index
        self._emb = emb if items is None else emb.index_select(0, items)
        self._lock, self._waiting, self._is_running = Lock(), deque[_Request](), False

    def rank(self, query_emb: Tensor, masked: list[Tensor], k: int) -> "Future[Best]":
        """Returns the best items of each query to come, in the order of the queries.

        Args:
            query_emb (Tensor): The embeddings of the queries, one row each.
            masked (list[Tensor]): The items to leave out, by query.
            k (int): The number of items per query. Fewer are found where there are fewer.
        """
        if self._items is not None:
            masked = [_positions(items, self._items) for items in masked]
        request = _Request(query_emb, masked, min(k, self._emb.size(0)))
        with self._lock:
            self._waiting.append(request)
            is_first, self._is_running = not self._is_running, True
        if is_first:
            # No thread belongs to a batcher, which would keep replaced tables alive.
            _threads.submit(self._work)
        return request.answer

    def _work(self) -> None:
        if self._index is not None:
            import_faiss().omp_set_num_threads(1)
        while batch := self._next():
            # A client that has gone has cancelled its request.
            batch = [r for r in batch if r.answer.set_running_or_notify_cancel()]
            try:
                answers = iter(self._rank(batch) if batch else ())
                for request in batch:
                    request.answer.set_result(list(islice(answers, len(request.masked))))
            except Exception as error:
                for request in batch:
                    request.answer.set_exception(error)

    def _next(self) -> list[_Request]:
        # The waiting requests with the length of the first one.
        with self._lock:
            batch: list[_Request] = []
            others = deque[_Request]()
            num_queries = 0
            while self._waiting and num_queries < MAX_QUERIES:
                request = self._waiting.popleft()
                if batch and request.k != batch[0].k:
                    others.append(request)
                    continue
                batch.append(request)
                num_queries += len(request.masked)
            self._waiting.extendleft(reversed(others))
            self._is_running = bool(batch)
            return batch

    def _rank(self, batch: list[_Request]) -> Best:
        masked = [items for request in batch for items in request.masked]
        count = torch.tensor([len(items) for items in masked])
        row = torch.arange(len(masked)).repeat_interleave(count)
        ids = np.empty(0)
        ranking = Ranking(
            query_emb=torch.cat([request.query_emb for request in batch]),
            item_emb=self._emb,
            queries=torch.arange(len(masked)),
            mask_index=torch.stack([row, torch.cat(masked)]),
            query_id=ids,
            item_id=ids,
            index=self._index,
        )
        whole = [slice(0, len(masked))]
        score, item = next(ranking.ranked(whole, batch[0].k, MEMORY_BUDGET))
        # Lists with fewer candidates are padded.
        is_found = score > -torch.inf
        num = is_found.sum(dim=1).tolist()
        if self._items is not None:
            item[is_found] = self._items[item[is_found]]
        lists = zip(item.tolist(), score.tolist(), num, strict=True)
        return [(items[:n], scores[:n]) for items, scores, n in lists]


def _positions(items: Tensor, among: Tensor) -> Tensor:
    """Returns the positions of those of the items that are among ascending ones."""
    place = torch.searchsorted(among, items)
    return place[place < torch.searchsorted(among, items, right=True)]
