import importlib.util
import logging
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from soil_pyg.ops import inverted_lists
from soil_pyg.ops.inverted_lists import LISTS, PROBES, InvertedLists, count_lists
from soil_pyg.ops.matmul import matmul_t
from soil_pyg.ops.pairs import block_rows, exact_inner_product
from soil_pyg.ops.topk import ROUNDING, has_near_ties, isin_rowwise, topk_rescored
from soil_pyg.utils.progress import blocks

FAISS_GPU_MAX_K = 2048

RECALL = 0.95
"""The share of the exact answers that an approximate search is to find."""

SAMPLE = 256
"""As many queries are answered exactly, too."""

DEPTHS = (8, 16, 32, 64)
"""How deep an approximate search goes, until the recall is reached."""

logger = logging.getLogger("soil_pyg")


class KNN:
    r"""Searches the :math:`k` candidates with the largest inner product, ties by the smaller id.

    The exact search does not depend on the library, the block size or the number of threads:
    candidates whose inner products differ by rounding are scored again in double precision and
    sorted by (value, id).

    Args:
        candidates (Tensor): Candidates of shape :obj:`[num_candidates, channels]`.
        index (str, optional): :obj:`"Flat"` is exact; :obj:`"Lists256"` searches 256
            inverted lists; anything else is a FAISS index factory string, e.g. :obj:`"HNSW32"` or
            :obj:`"IVF256,PQ16"`. Search parameters may follow, as in
            :obj:`"IVF256,Flat;nprobe=16"`; without them, inverted files and
            graphs are searched as deep as a sample of the first queries needs to find 95 % of the
            exact answers, within limits. (default: :obj:`"Flat"`)
        use_faiss (bool, optional): Whether to search with FAISS; :obj:`None` does so where it is
            installed, on the GPU if the candidates are there. (default: :obj:`None`)
        memory_budget (int, optional): Bytes that a block of scores may take.
            (default: :obj:`2**30`)

    Raises:
        ImportError: If :obj:`index` or :obj:`use_faiss` asks for FAISS and it is not installed.
        ValueError: If the candidates are not finite, or :obj:`index` names no number of lists.

    Example:
        >>> knn = KNN(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
        >>> knn.search(torch.tensor([[0.6, 0.8]]), k=2)
        (tensor([[0.8000, 0.8000]]), tensor([[1, 2]]))
    """

    def __init__(
        self,
        candidates: Tensor,
        index: str = "Flat",
        use_faiss: bool | None = None,
        memory_budget: int = 2**30,
    ) -> None:
        if not torch.isfinite(candidates).all():
            raise ValueError("'candidates' must be finite (got NaN or infinity)")
        self.candidates = candidates.float().contiguous()
        self.index, _, self._parameters = index.partition(";")
        self.memory_budget = memory_budget
        self.is_exact = index == "Flat"
        self._lists: InvertedLists | None = None
        if self.index.startswith(LISTS):
            num_lists, use_faiss = count_lists(index), False
            if candidates.size(0) > 0:
                self._lists = InvertedLists(self.candidates, num_lists, memory_budget)
        self.report: dict[str, Any] = {"index": index}
        if use_faiss is None:
            use_faiss = not self.is_exact or _has_faiss(candidates)
        self._faiss_index: Any = self._build() if use_faiss and candidates.size(0) > 0 else None

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
        if k < 1:
            raise ValueError(f"'k' must be at least 1 (got {k})")
        k = min(k, self.candidates.size(0))
        query = query.float().contiguous()
        values = query.new_empty(query.size(0), k)
        ids = torch.empty(query.size(0), k, dtype=torch.long, device=query.device)
        if k == 0 or query.size(0) == 0:
            return values, ids
        if not self.is_exact and "recall" not in self.report:
            self.tune(query, k)
        if self._lists is not None:
            # They cut the queries into blocks of their own.
            return self._search_index(query, k)
        rows = inverted_lists.QUERIES_AT_ONCE
        if self.is_exact:
            rows = block_rows(self.memory_budget, self.candidates.size(0))
        for block in blocks(query.size(0), rows, "searching neighbours"):
            values[block], ids[block] = self._search_block(query[block], k)
        return values, ids

    def tune(self, query: Tensor, k: int) -> float:
        """Searches as deep as a sample of the queries needs, and returns the recall of the sample.

        Args:
            query (Tensor): Queries of shape :obj:`[num_queries, channels]`.
            k (int): The number of neighbours.
        """
        query = query[:: max(1, -(-query.size(0) // SAMPLE))].float().contiguous()
        exact = KNN(self.candidates, use_faiss=False, memory_budget=self.memory_budget)
        expected = exact.search(query, k)[1]
        if self.is_exact or expected.numel() == 0:
            return 1.0
        parameter = "" if self._parameters else self._depth_parameter()
        for depth in DEPTHS if parameter else DEPTHS[:1]:
            settings = f"{parameter}={depth}" if parameter else self._parameters
            self._set(settings)
            found = self._search_index(query, expected.size(1))[1]
            recall = float(isin_rowwise(expected, found).float().mean())
            if recall >= RECALL:
                break
        index = ";".join(filter(None, [self.index, settings]))
        logger.info("%s finds %.3f of the exact answers to %d queries", index, recall, len(query))
        self.report = {"index": index, "recall": recall}
        return recall

    def _set(self, parameters: str) -> None:
        if self._lists is not None:
            self._num_probes = int(parameters.removeprefix(f"{PROBES}="))
        elif parameters:
            faiss = _import_faiss()
            space = faiss.GpuParameterSpace if self.candidates.is_cuda else faiss.ParameterSpace
            try:
                space().set_index_parameters(self._faiss_index, parameters)
            except RuntimeError as error:
                raise ValueError(
                    f"'index' has search parameters that FAISS does not take (got {parameters!r})"
                ) from error

    def _search_block(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if not self.is_exact:
            return self._search_index(query, k)
        if self._faiss_index is None or (query.is_cuda and k >= FAISS_GPU_MAX_K):
            return self._search_torch(query, k)
        values, ids = self._search_faiss(query, min(k + 1, self.candidates.size(0)))
        tied = has_near_ties(values, self._tolerance(query))
        values, ids = values[:, :k].contiguous(), ids[:, :k].contiguous()
        if tied.any():
            values[tied], ids[tied] = self._search_torch(query[tied], k)
        return values, ids

    def _search_torch(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        return topk_rescored(
            matmul_t(query, self.candidates),
            k,
            self._tolerance(query),
            partial(exact_inner_product, query, self.candidates),
        )

    def _tolerance(self, query: Tensor) -> Tensor:
        return ROUNDING * query.norm(dim=1) * self._largest_norm

    @cached_property
    def _largest_norm(self) -> Tensor:
        return self.candidates.norm(dim=1).max()

    def _build(self) -> Any:
        faiss = _import_faiss()
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
        if self._lists is not None or _import_faiss().try_extract_index_ivf(self._faiss_index):
            return PROBES
        kind = type(_import_faiss().downcast_index(self._faiss_index)).__name__
        return "efSearch" if "HNSW" in kind else ""

    def _search_index(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if self._lists is not None:
            return self._lists.search(query, k, self._num_probes)
        return self._search_faiss(query, k)

    def _search_faiss(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values, ids = self._faiss_index.search(query.cpu().numpy(), k)
        values, ids = torch.from_numpy(values).to(query), torch.from_numpy(ids).to(query.device)
        return values.masked_fill_(ids < 0, -torch.inf), ids


def _has_faiss(candidates: Tensor) -> bool:
    if importlib.util.find_spec("faiss") is None:
        return False
    return not candidates.is_cuda or hasattr(_import_faiss(), "StandardGpuResources")


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "FAISS is not installed: install the extra 'cpu' or 'gpu', or use index='Flat' with "
            "use_faiss=False"
        ) from error
    return faiss
