import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from soil_pyg.progress import blocks

ROUNDING = 1e-6
"""Inner products of unit vectors that differ by less may be equal."""

FAISS_GPU_MAX_K = 2048

CACHE_BYTES = 2**21
"""Gathered vectors are scored in blocks that stay in the processor's cache."""

GATHER_COST = 64
"""How many times the inner product of a gathered pair costs one of a matrix product."""


Rescore = Callable[[Tensor, Tensor], Tensor]
"""Gives the exact scores of entries by their rows and columns."""


class KNN:
    r"""Searches the :math:`k` candidates with the largest inner product, ties by the smaller id.

    The exact search does not depend on the library, the block size or the number of threads:
    candidates whose inner products differ by rounding are scored again in double precision and
    sorted by (value, id).

    Args:
        candidates (Tensor): Candidates of shape :obj:`[num_candidates, channels]`.
        index (str, optional): Any FAISS index factory string, e.g. :obj:`"HNSW32"` or
            :obj:`"IVF256,Flat"`; :obj:`"Flat"` is exact and needs no FAISS.
            (default: :obj:`"Flat"`)
        use_faiss (bool, optional): Whether to search with FAISS; :obj:`None` does so where it is
            installed, on the GPU if the candidates are there. (default: :obj:`None`)
        memory_budget (int, optional): Bytes that a block of scores may take.
            (default: :obj:`2**30`)

    Raises:
        ImportError: If :obj:`index` or :obj:`use_faiss` asks for FAISS and it is not installed.
        ValueError: If the candidates are not finite.

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
        self.index = index
        self.memory_budget = memory_budget
        self.is_exact = index == "Flat"
        if use_faiss is None:
            use_faiss = not self.is_exact or _has_faiss(candidates)
        self._faiss_index: Any = self._build() if use_faiss and candidates.size(0) > 0 else None

    def search(
        self, query: Tensor, k: int, rescore: Rescore | None = None, ordered: bool = True
    ) -> tuple[Tensor, Tensor]:
        r"""Returns the inner products and the ids of the :math:`k` best candidates of each query.

        Args:
            query (Tensor): Queries of shape :obj:`[num_queries, channels]`.
            k (int): The number of neighbours, cut at :obj:`num_candidates`.
            rescore (callable, optional): Gives the exact inner products of pairs, by the number
                of the query and the id of the candidate. (default: :obj:`None`, products in
                double precision)
            ordered (bool, optional): If set to :obj:`False`, only which candidates are the best is
                told exactly, not their order. (default: :obj:`True`)

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
        if k == 0:
            return values, ids
        rows = block_rows(self.memory_budget, self.candidates.size(0))
        for block in blocks(query.size(0), rows, "searching neighbours"):
            number = torch.arange(block.start, block.stop, device=query.device)
            found = self._search_block(query, number, k, rescore or self._rescore(query), ordered)
            values[block], ids[block] = found
        return values, ids

    def _search_block(
        self, query: Tensor, number: Tensor, k: int, rescore: Rescore, ordered: bool
    ) -> tuple[Tensor, Tensor]:
        if self._faiss_index is None or (query.is_cuda and k >= FAISS_GPU_MAX_K):
            return self._search_torch(query, number, k, rescore, ordered)
        values, ids = self._search_faiss(query[number], min(k + 1, self.candidates.size(0)))
        if not self.is_exact:
            return values[:, :k], ids[:, :k]
        tolerance = self._tolerance(query[number])
        tied = has_near_ties(values if ordered else values[:, k - 1 :], tolerance)
        values, ids = values[:, :k].contiguous(), ids[:, :k].contiguous()
        if tied.any():
            found = self._search_torch(query, number[tied], k, rescore, ordered)
            values[tied], ids[tied] = found
        return values, ids

    def _search_torch(
        self, query: Tensor, number: Tensor, k: int, rescore: Rescore, ordered: bool
    ) -> tuple[Tensor, Tensor]:
        query = query[number]
        return exact_topk(
            query @ self.candidates.t(),
            k,
            self._tolerance(query),
            lambda row, column: rescore(number[row], column),
            ordered,
        )

    def _rescore(self, query: Tensor) -> Rescore:
        return lambda row, column: exact_inner_product(query, self.candidates, row, column)

    def _tolerance(self, query: Tensor) -> Tensor:
        if not hasattr(self, "_candidate_norm"):
            self._candidate_norm = self.candidates.norm(dim=1).max()
        return ROUNDING * query.norm(dim=1) * self._candidate_norm

    def _build(self) -> Any:
        faiss = _import_faiss()
        index = faiss.index_factory(self.candidates.size(1), self.index, faiss.METRIC_INNER_PRODUCT)
        if self.candidates.is_cuda:
            resources = faiss.StandardGpuResources()
            index = faiss.index_cpu_to_gpu(resources, self.candidates.device.index or 0, index)
        array = self.candidates.cpu().numpy()
        index.train(array)
        index.add(array)
        return index

    def _search_faiss(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values, ids = self._faiss_index.search(query.cpu().numpy(), k)
        values, ids = torch.from_numpy(values).to(query), torch.from_numpy(ids).to(query.device)
        return values.masked_fill_(ids < 0, -torch.inf), ids


def exact_topk(
    scores: Tensor,
    k: int,
    tolerance: Tensor,
    rescore: Rescore,
    ordered: bool = True,
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best columns of each row by (value, id), whatever the rounding.

    Args:
        scores (Tensor): Rounded scores of shape :obj:`[num_rows, num_columns]`, :math:`-\infty`
            where a column is no candidate.
        k (int): The number of columns to return, at most :obj:`num_columns`.
        tolerance (Tensor): What may be rounding, of shape :obj:`[num_rows]`.
        rescore (callable): Gives the exact scores of entries by their rows and columns.
        ordered (bool, optional): If set to :obj:`False`, only which columns are the best is told
            exactly, not their order. (default: :obj:`True`)

    Returns:
        Values and columns of shape :obj:`[num_rows, k]`, filled up with :math:`-\infty` and
        :obj:`-1`.
    """
    values, columns = scores.topk(min(k + 1, scores.size(1)))
    tied = has_near_ties(values if ordered else values[:, k - 1 :], tolerance).nonzero().view(-1)
    values, columns = values[:, :k].contiguous(), columns[:, :k].contiguous()
    if tied.numel() > 0:
        cut = (values[tied, -1] - 2 * tolerance[tied]).unsqueeze(1)
        near = scores[tied]
        row, column = ((near >= cut) & (near > -torch.inf)).nonzero().unbind(1)
        exact = rescore(tied[row], column)
        values[tied], columns[tied] = best_of_each_row(row, column, exact, tied.numel(), k)
    return values, columns.masked_fill_(values == -torch.inf, -1)


def best_of_each_row(
    row: Tensor, column: Tensor, value: Tensor, num_rows: int, k: int
) -> tuple[Tensor, Tensor]:
    r"""Returns the :math:`k` best entries of each row by (value, id).

    Args:
        row (Tensor): The row of each entry.
        column (Tensor): The column of each entry, ascending within a row.
        value (Tensor): The value of each entry.
        num_rows (int): The number of rows.
        k (int): The number of entries to return.

    Returns:
        Values and columns of shape :obj:`[num_rows, k]`, filled up with :math:`-\infty` and
        :obj:`-1`.
    """
    order = torch.argsort(value, descending=True, stable=True)
    order = order[torch.argsort(row[order], stable=True)]
    row, column, value = row[order], column[order], value[order]
    count = torch.bincount(row, minlength=num_rows)
    rank = torch.arange(row.numel(), device=row.device) - (count.cumsum(0) - count)[row]
    first = rank < k
    values = value.new_full((num_rows, k), -torch.inf)
    columns = column.new_full((num_rows, k), -1)
    values[row[first], rank[first]] = value[first]
    columns[row[first], rank[first]] = column[first]
    return values, columns


def has_near_ties(values: Tensor, tolerance: Tensor) -> Tensor:
    """Returns which rows of values in descending order have neighbours that rounding may swap."""
    gap = values[:, :-1] - values[:, 1:]
    return (gap <= tolerance.unsqueeze(1)).any(dim=1)


def exact_inner_product(left: Tensor, right: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Returns inner products of pairs of rows, in double precision and rounded to single.

    Args:
        left (Tensor): Vectors of shape :obj:`[num_left, channels]`.
        right (Tensor): Vectors of shape :obj:`[num_right, channels]`.
        row (Tensor): The row of :obj:`left` of each pair.
        column (Tensor): The row of :obj:`right` of each pair.
    """
    return _score_pairs(left, right, row, column, cosine=False)


def exact_cosine(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Returns cosines of pairs of rows, in double precision and rounded to single.

    The cosine of a row with itself or with an equal row is exactly one.

    Args:
        x (Tensor): Vectors of shape :obj:`[num_nodes, channels]`, none of them zero.
        row (Tensor): The first row of each pair.
        column (Tensor): The second row of each pair.
    """
    return _score_pairs(x, x, row, column, cosine=True)


def _score_pairs(left: Tensor, right: Tensor, row: Tensor, column: Tensor, cosine: bool) -> Tensor:
    out = torch.empty(row.numel(), device=left.device)
    rows = max(1, CACHE_BYTES // (32 * max(1, left.size(1))))
    for block in blocks(row.numel(), rows, "scoring pairs"):
        a, b = left[row[block]].double(), right[column[block]].double()
        score = (a * b).sum(dim=1)
        if cosine:
            score /= ((a * a).sum(dim=1) * (b * b).sum(dim=1)).sqrt()
        out[block] = score.float()
    return out


def pair_inner_product(x: Tensor, row: Tensor, column: Tensor, memory_budget: int) -> Tensor:
    """Returns inner products of many pairs of rows of one matrix, by the cheaper of two ways.

    Few pairs are gathered; many are read from blocks of the matrix of all inner products, where
    a multiplication costs far less.

    Args:
        x (Tensor): Vectors of shape :obj:`[num_nodes, channels]`.
        row (Tensor): The first row of each pair, ascending.
        column (Tensor): The second row of each pair.
        memory_budget (int): Bytes that a block of inner products may take.
    """
    node, count = torch.unique_consecutive(row, return_counts=True)
    if row.numel() * GATHER_COST < node.numel() * x.size(0):
        return exact_inner_product(x, x, row, column)
    out = x.new_empty(row.numel())
    end = count.cumsum(0)
    rows = block_rows(memory_budget, x.size(0))
    for block in blocks(node.numel(), rows, "scoring pairs"):
        pairs = slice(int(end[block.start] - count[block.start]), int(end[block.stop - 1]))
        scores = x[node[block]] @ x.t()
        owner = torch.repeat_interleave(torch.arange(scores.size(0), device=x.device), count[block])
        out[pairs] = scores[owner, column[pairs]]
    return out


def block_rows(memory_budget: int, num_columns: int, bytes_per_entry: int = 16) -> int:
    """Returns how many rows of a block of scores fit the budget, at least one."""
    return max(1, memory_budget // (bytes_per_entry * max(1, num_columns)))


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
