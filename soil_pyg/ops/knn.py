import logging
import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.pool.knn import KNNOutput
from torch_geometric.utils import degree
from typing_extensions import Unpack

from soil_pyg.ops.distinct_rows import DistinctRows
from soil_pyg.ops.faiss_index import FaissIndex, default_index, fit_lists
from soil_pyg.ops.faiss_library import GPU_MAX_K, exact_search, has_faiss_for, import_faiss
from soil_pyg.ops.index_range import check_range
from soil_pyg.ops.matmul import matmul_precision, matmul_t
from soil_pyg.ops.pairs import block_rows, exact_inner_product, rank_pairs
from soil_pyg.ops.search_options import ExactSearchKwargs, SearchOptions, takes_search_options
from soil_pyg.ops.topk import ROUNDING, has_near_ties, isin_rowwise, topk_rescored
from soil_pyg.ops.vectors import as_vectors, norms, sample_of
from soil_pyg.utils.checks import check_flag, check_integer
from soil_pyg.utils.progress import blocks

logger = logging.getLogger("soil_pyg")


class KNN:
    r"""Searches the :math:`k` vectors with the largest inner product, ties by the smaller id.

    It stands where :class:`torch_geometric.nn.KNNIndex` stands. The exact search does not depend on
    the library, the block size or the number of threads. Scores are inner products in double
    precision, rounded to single; where these are equal, the smaller id comes first.

    Args:
        emb (Tensor, optional): The vectors to search in, of shape :obj:`[num_vectors, channels]`,
            as for :meth:`add`. (default: :obj:`None`)
        index (str, optional): The index, see :class:`~soil_pyg.nn.SearchOptions`; :obj:`"Flat"` is
            exact. (default: :obj:`"Flat"`)
        use_faiss (bool, optional): Whether to search exactly with FAISS. :obj:`None` does so if it
            is installed for the device of the vectors. (default: :obj:`None`)
        **search_options (optional): Further arguments of :class:`~soil_pyg.nn.SearchOptions`.

    Raises:
        ImportError: If :obj:`index` or :obj:`use_faiss` asks for FAISS and it is not installed.
        ValueError: If the vectors are not finite, an option is out of its range, or FAISS cannot
            build the index for the vectors.

    Example:
        >>> from torch_geometric.nn import MIPSKNNIndex
        >>> emb = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> for index in MIPSKNNIndex(emb), KNN(emb):
        ...     score, ids = index.search(torch.tensor([[0.0, 2.0]]), k=2)
        ...     print(score, ids)
        tensor([[2.0000, 1.6000]]) tensor([[1, 2]])
        tensor([[2.0000, 1.6000]]) tensor([[1, 2]])
    """

    @takes_search_options
    def __init__(
        self,
        emb: Tensor | None = None,
        index: str = "Flat",
        use_faiss: bool | None = None,
        **search_options: Unpack[ExactSearchKwargs],
    ) -> None:
        if use_faiss is not None:
            check_flag("use_faiss", use_faiss)
        self.search_options = SearchOptions(index, **search_options)
        if use_faiss or index not in ("auto", "Flat"):
            import_faiss()
        self.use_faiss = use_faiss
        self.index: FaissIndex | None = None
        self.report: dict[str, Any] = {}
        self._emb: Tensor | None = None
        self._with_faiss, self._tuned_k = False, 0.0
        if emb is not None:
            self.add(emb)

    @property
    def numel(self) -> int:
        """The number of vectors to search in."""
        return 0 if self._emb is None else self._emb.size(0)

    def get_emb(self) -> Tensor:
        """Returns the vectors to search in, or raises :class:`RuntimeError` if none were added."""
        if self._emb is None:
            raise RuntimeError("there is nothing to search in: call 'add' first")
        return self._emb

    def add(self, emb: Tensor) -> None:
        """Adds vectors of shape :obj:`[num_vectors, channels]` to search in.

        An approximate index is built again, on all vectors.
        """
        emb = as_vectors("emb", emb, like=self._emb)
        self._emb = emb if self._emb is None else torch.cat([self._emb, emb])
        self.__dict__.pop("_largest_norm", None)
        self.index, self._tuned_k = None, 0.0
        self.report = {"engine": "faiss", "index": self.search_options.index, "parameters": ""}
        if self.search_options.is_exact(self.numel):
            use_faiss = has_faiss_for(emb) if self.use_faiss is None else self.use_faiss
            self._with_faiss = use_faiss and emb.numel() > 0
            engine = "faiss" if self._with_faiss else "torch"
            self.report |= {"engine": engine, "index": "Flat", "recall": 1.0}
        elif self._emb.numel() > 0:
            self._build(self._emb)

    def _build(self, emb: Tensor) -> None:
        # A list of equal vectors would be as long as there are of them.
        self._distinct = DistinctRows(emb)
        emb = emb if self._distinct.is_all else emb[self._distinct.first]
        name = fit_lists(self.search_options.index, self.numel, emb.size(0))
        self.index = FaissIndex(emb, default_index(emb) if name == "auto" else name)
        self.report |= {"index": self.index.name, "parameters": self.index.parameters}

    def search(self, emb: Tensor, k: int, exclude_links: Tensor | None = None) -> KNNOutput:
        r"""Returns the inner products and the ids of the :math:`k` best vectors of each query.

        Args:
            emb (Tensor): Queries of shape :obj:`[num_queries, channels]`.
            k (int): The number of neighbours, cut at the number of vectors.
            exclude_links (Tensor, optional): Pairs of a query and a vector to leave out, of shape
                :obj:`[2, num_links]`. (default: :obj:`None`)

        Returns:
            The :obj:`score` and the :obj:`index`, both of shape :obj:`[num_queries, k]`. Where
            fewer than :math:`k` are found, they are :math:`-\infty` and :obj:`-1`.

        Raises:
            RuntimeError: If there are no vectors to search in.
            ValueError: If :obj:`k` is less than 1, the queries are not finite or do not match the
                vectors, or a pair to leave out has another query or vector.
        """
        query = self._check_query(emb)
        check_integer("k", k, 1)
        width = k
        if exclude_links is not None and exclude_links.numel() > 0:
            check_range("the queries of 'exclude_links'", exclude_links[0], query.size(0))
            check_range("the vectors of 'exclude_links'", exclude_links[1], self.numel)
            width += int(degree(exclude_links[0], query.size(0), torch.long).max())
        ids = self._find(query, width)
        keep = ids >= 0
        if exclude_links is not None:
            row = torch.arange(query.size(0), device=query.device).unsqueeze(1)
            key = exclude_links[0] * self.numel + exclude_links[1]
            keep &= ~torch.isin(row * self.numel + ids, key)
        score = query.new_empty(ids.size())
        rows = block_rows(self.search_options.memory_budget, ids.size(1), 64)
        for block in blocks(query.size(0), rows, "scoring neighbours"):
            score[block], ids[block] = rank_pairs(
                query[block], self.get_emb(), ids[block], keep[block]
            )
        score, ids = score[:, :k], ids[:, :k]
        return KNNOutput(score, ids.masked_fill(score == -torch.inf, -1))

    def find(self, query: Tensor, k: int) -> Tensor:
        """Returns the ids that :meth:`search` returns, without the cost of their scores: in any
        order if the search is exact, and otherwise in that of the index.
        """
        return self._find(self._check_query(query), k)

    def tune(self, query: Tensor, k: int) -> float:
        """Sets the depth of an approximate search and returns its recall on a sample of queries.

        A search does so itself, and again for more neighbours than before, unless it was called.

        Raises:
            ValueError: If the recall of strict options cannot be reached.
        """
        check_integer("k", k, 1)
        query = sample_of(self._check_query(query))
        if self.index is None or query.numel() == 0:
            return 1.0
        expected = self.exact().find(query, k)
        k = expected.size(1)

        def measure() -> float:
            return float(isin_rowwise(expected, self._find_by_index(query, k)).float().mean())

        return self.deepen(measure, k, "nearest neighbours")

    def deepen(self, measure: Callable[[], float], k: int, wanted: str) -> float:
        """Sets the depth of an approximate search by a measure of its recall, which it returns; see
        :meth:`tune`, and :meth:`~soil_pyg.ops.search_options.SearchOptions.check_recall`.
        """
        assert self.index is not None
        self._tuned_k = math.inf
        recall = self.index.deepen(measure, self.search_options.recall, k)
        self.report |= {"parameters": self.index.parameters, "recall": recall}
        logger.info("%s finds %.3f of the %s", self.index, recall, wanted)
        self.search_options.check_recall(recall, f"{wanted} by {self.index}", self.index.remedy)
        return recall

    def exact(self) -> "KNN":
        """Returns the exact search in the same vectors, without FAISS."""
        options = self.search_options
        return KNN(self.get_emb(), use_faiss=False, memory_budget=options.memory_budget)

    def _check_query(self, query: Tensor) -> Tensor:
        query = as_vectors("query", query, like=self.get_emb())
        largest = float(norms(query).amax()) if query.size(0) > 0 else 0.0
        if largest * self._largest_norm > torch.finfo(query.dtype).max:
            raise ValueError(f"'query' must be smaller: products overflow (got length {largest})")
        return query

    def _find(self, query: Tensor, k: int) -> Tensor:
        check_integer("k", k, 1)
        k = min(k, self.numel)
        if self.index is not None and query.numel() > 0 and not (query.is_cuda and k > GPU_MAX_K):
            if k > self._tuned_k:
                self.tune(query, k)
                self._tuned_k = k
            return self._find_by_index(query, k)
        ids = torch.empty(query.size(0), k, dtype=torch.long, device=query.device)
        rows = block_rows(self.search_options.memory_budget, self.numel)
        for block in blocks(query.size(0) if k > 0 else 0, rows, "searching neighbours"):
            ids[block] = self._find_exactly(query[block], k)
        return ids

    def _find_by_index(self, query: Tensor, k: int) -> Tensor:
        assert self.index is not None
        ids = self.index.search(query, min(k, self._distinct.first.numel()))
        return ids if self._distinct.is_all else self._distinct.expand(ids, k)

    def _find_exactly(self, query: Tensor, k: int) -> Tensor:
        if self.index is not None or not self._with_faiss or (query.is_cuda and k >= GPU_MAX_K):
            return self._find_by_torch(query, k)
        values, ids = exact_search(self.get_emb(), query, min(k + 1, self.numel))
        tied = has_near_ties(values[:, k - 1 :], self._tolerance(query))
        ids = ids[:, :k].contiguous()
        if tied.any():
            ids[tied] = self._find_by_torch(query[tied], k)
        return ids

    def _find_by_torch(self, query: Tensor, k: int) -> Tensor:
        with matmul_precision(self.search_options.matmul_precision):
            scores = matmul_t(query, self.get_emb())
        rescore = partial(exact_inner_product, query, self.get_emb())
        return topk_rescored(scores, k, self._tolerance(query), rescore, ordered=False)[1]

    def _tolerance(self, query: Tensor) -> Tensor:
        return ROUNDING * self._largest_norm * norms(query)

    @cached_property
    def _largest_norm(self) -> float:
        return float(norms(self.get_emb()).amax()) if self.numel > 0 else 0.0

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.numel}, index={self.search_options.index!r})"
