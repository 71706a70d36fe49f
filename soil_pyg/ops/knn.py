import importlib.util
import logging
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from soil_pyg.ops import inverted_lists
from soil_pyg.ops.inverted_lists import PROBES, InvertedLists, count_lists
from soil_pyg.ops.matmul import matmul_precision, matmul_t
from soil_pyg.ops.pairs import block_rows, exact_inner_product
from soil_pyg.ops.search_options import (
    LISTS,
    ExactSearchKwargs,
    SearchOptions,
    takes_search_options,
)
from soil_pyg.ops.topk import ROUNDING, has_near_ties, isin_rowwise, topk_rescored
from soil_pyg.utils.checks import check_at_least
from soil_pyg.utils.progress import blocks

FAISS_GPU_MAX_K = 2048
"""The largest number of neighbours that FAISS finds on a GPU."""

SAMPLE = 256
"""The number of queries that are also answered exactly, to measure the recall."""

DEPTHS = (8, 16, 32, 64)
"""The depths of an approximate search, tried in order until the recall is reached."""

logger = logging.getLogger("soil_pyg")


class KNN:
    r"""Searches the :math:`k` candidates with the largest inner product, ties by the smaller id.

    The exact search does not depend on the library, the block size or the number of threads:
    candidates whose inner products differ by rounding are scored again in double precision and
    sorted by (value, id).

    Args:
        candidates (Tensor): Candidates of shape :obj:`[num_candidates, channels]`.
        index (str, optional): The index, see :class:`~soil_pyg.nn.SearchOptions`; :obj:`"Flat"` is
            exact. (default: :obj:`"Flat"`)
        use_faiss (bool, optional): Whether to search with FAISS. :obj:`None` does so if it is
            installed, on the GPU if it is built for GPUs and the candidates are on one.
            (default: :obj:`None`)
        **search_options (optional): Further arguments of :class:`~soil_pyg.nn.SearchOptions`.

    Raises:
        ImportError: If :obj:`index` or :obj:`use_faiss` asks for FAISS and it is not installed.
        ValueError: If the candidates are not finite, or an option is out of its range.

    Example:
        >>> knn = KNN(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
        >>> knn.search(torch.tensor([[0.6, 0.8]]), k=2)
        (tensor([[0.8000, 0.8000]]), tensor([[1, 2]]))
    """

    @takes_search_options
    def __init__(
        self,
        candidates: Tensor,
        index: str = "Flat",
        use_faiss: bool | None = None,
        **search_options: Unpack[ExactSearchKwargs],
    ) -> None:
        if not torch.isfinite(candidates).all():
            raise ValueError("'candidates' must be finite (got NaN or infinity)")
        self.candidates = candidates.float().contiguous()
        options = SearchOptions(index, **search_options).resolve(candidates.size(0))
        self.search_options = options
        self.memory_budget = options.memory_budget
        self.index, _, self._parameters = options.index.partition(";")
        self._lists: InvertedLists | None = None
        if self.index.startswith(LISTS):
            num_lists, use_faiss = count_lists(options.index), False
            if candidates.size(0) > 0:
                self._lists = InvertedLists(self.candidates, num_lists, self.memory_budget)
        self.report: dict[str, Any] = {"index": options.index}
        if use_faiss is None:
            use_faiss = not self.search_options.is_exact or _has_faiss(candidates)
        self.faiss_index: Any = self._build() if use_faiss and candidates.size(0) > 0 else None

    def search(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        r"""Returns the inner products and the ids of the :math:`k` best candidates of each query.

        Args:
            query (Tensor): Queries of shape :obj:`[num_queries, channels]`.
            k (int): The number of neighbours, cut at :obj:`num_candidates`.

        Returns:
            Values and ids, both of shape :obj:`[num_queries, k]`. An approximate index that finds
            fewer than :math:`k` fills up with the value :math:`-\infty` and the id :obj:`-1`.

        Raises:
            ValueError: If :obj:`k` is less than 1.
        """
        check_at_least("k", k, 1)
        k = min(k, self.candidates.size(0))
        query = query.float().contiguous()
        values = query.new_empty(query.size(0), k)
        ids = torch.empty(query.size(0), k, dtype=torch.long, device=query.device)
        if k == 0 or query.size(0) == 0:
            return values, ids
        if not self.search_options.is_exact and "recall" not in self.report:
            self.tune(query, k)
        if self._lists is not None:
            # Inverted lists choose the blocks of queries themselves.
            return self._search_index(query, k)
        rows = inverted_lists.MAX_QUERIES
        if self.search_options.is_exact:
            rows = block_rows(self.memory_budget, self.candidates.size(0))
        for block in blocks(query.size(0), rows, "searching neighbours"):
            values[block], ids[block] = self._search_block(query[block], k)
        return values, ids

    def tune(self, query: Tensor, k: int) -> float:
        """Sets the depth of an approximate search and returns its recall on a sample of queries."""
        query = query[:: max(1, -(-query.size(0) // SAMPLE))].float().contiguous()
        exact = KNN(self.candidates, use_faiss=False, memory_budget=self.memory_budget)
        expected = exact.search(query, k)[1]
        if self.search_options.is_exact or expected.numel() == 0:
            return 1.0
        parameter = "" if self._parameters else self._depth_parameter()
        for depth in DEPTHS if parameter else DEPTHS[:1]:
            settings = f"{parameter}={depth}" if parameter else self._parameters
            self._set(settings)
            found = self._search_index(query, expected.size(1))[1]
            recall = float(isin_rowwise(expected, found).float().mean())
            if recall >= self.search_options.recall:
                break
        index = ";".join(filter(None, [self.index, settings]))
        logger.info("%s finds %.3f of the exact answers to %d queries", index, recall, len(query))
        self.report = {"index": index, "recall": recall}
        return recall

    def _set(self, parameters: str) -> None:
        if self._lists is not None:
            self._num_probes = int(parameters.removeprefix(f"{PROBES}="))
        elif parameters:
            faiss = import_faiss()
            space = faiss.GpuParameterSpace if self.candidates.is_cuda else faiss.ParameterSpace
            try:
                space().set_index_parameters(self.faiss_index, parameters)
            except RuntimeError as error:
                raise ValueError(
                    f"'index' has search parameters that FAISS does not accept (got {parameters!r})"
                ) from error

    def _search_block(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if not self.search_options.is_exact:
            return self._search_index(query, k)
        if self.faiss_index is None or (query.is_cuda and k >= FAISS_GPU_MAX_K):
            return self._search_torch(query, k)
        values, ids = self._search_faiss(query, min(k + 1, self.candidates.size(0)))
        tied = has_near_ties(values, self._tolerance(query))
        values, ids = values[:, :k].contiguous(), ids[:, :k].contiguous()
        if tied.any():
            values[tied], ids[tied] = self._search_torch(query[tied], k)
        return values, ids

    def _search_torch(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        with matmul_precision(self.search_options.matmul_precision):
            scores = matmul_t(query, self.candidates)
        return topk_rescored(
            scores,
            k,
            self._tolerance(query),
            partial(exact_inner_product, query, self.candidates),
        )

    def _tolerance(self, query: Tensor) -> Tensor:
        tolerance: Tensor = ROUNDING * query.norm(dim=1) * self._largest_norm
        return tolerance

    @cached_property
    def _largest_norm(self) -> Tensor:
        norm: Tensor = self.candidates.norm(dim=1)
        return norm.max()

    def _build(self) -> Any:
        faiss = import_faiss()
        channels, metric = self.candidates.size(1), faiss.METRIC_INNER_PRODUCT
        try:
            index = faiss.index_factory(channels, self.index, metric)
        except RuntimeError as error:
            raise ValueError(
                f"'index' must be 'Flat', 'Lists' and a number, or a FAISS index factory string "
                f"(got {self.index!r})"
            ) from error
        if self.candidates.is_cuda:
            resources = faiss.StandardGpuResources()
            index = faiss.index_cpu_to_gpu(resources, self.candidates.device.index or 0, index)
        array = self.candidates.cpu().numpy()
        inverted = faiss.try_extract_index_ivf(index)
        if inverted is not None:
            inverted.cp.max_points_per_centroid = inverted_lists.TRAINING_POINTS
        index.train(array)
        index.add(array)
        return index

    def _depth_parameter(self) -> str:
        if self._lists is not None or import_faiss().try_extract_index_ivf(self.faiss_index):
            return PROBES
        kind = type(import_faiss().downcast_index(self.faiss_index)).__name__
        return "efSearch" if "HNSW" in kind else ""

    def _search_index(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if self._lists is not None:
            return self._lists.search(query, k, self._num_probes)
        return self._search_faiss(query, k)

    def _search_faiss(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values, ids = self.faiss_index.search(query.cpu().numpy(), k)
        values, ids = torch.from_numpy(values).to(query), torch.from_numpy(ids).to(query.device)
        return values.masked_fill_(ids < 0, -torch.inf), ids


def _has_faiss(candidates: Tensor) -> bool:
    if importlib.util.find_spec("faiss") is None:
        return False
    return not candidates.is_cuda or hasattr(import_faiss(), "StandardGpuResources")


def import_faiss() -> Any:
    """Returns the module :mod:`faiss`, or raises :class:`ImportError` if it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "FAISS is not installed: install the extra 'cpu' or 'gpu', or use index='Flat' with "
            "use_faiss=False"
        ) from error
    return faiss
