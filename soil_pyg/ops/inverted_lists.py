import re
from collections.abc import Iterator

import torch
from torch import Tensor

from soil_pyg.ops.faiss_index import TRAINING_POINTS
from soil_pyg.ops.matmul import matmul_t, matmul_t_rows
from soil_pyg.ops.pairs import rank_among_equal_rows
from soil_pyg.ops.ragged import index2ptr
from soil_pyg.ops.search_options import LISTS
from soil_pyg.ops.topk import best_of_each_row, topk_by_id
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.progress import blocks

ITERATIONS = 8
"""The number of iterations of spherical k-means."""

FIRST_PROBES = 4
"""The number of lists per query whose best candidates are the pruning bound of the others."""

PASSED_BYTES = 2**12
"""The memory per query that is reserved for candidates above the bound."""

EQUAL_CANDIDATES = 32
"""The number of equal candidates that are held, unless more neighbours are requested."""

MAX_QUERIES = 2**14
"""The largest number of vectors per block that are compared with the centres."""

PROBES = "nprobe"
"""The search parameter of inverted lists: the number of lists per query."""


class InvertedLists:
    """An inverted file that searches the largest inner products approximately.

    Candidates, of shape :obj:`[num_candidates, channels]`, are kept in lists around the centres of
    spherical k-means, and a query is compared with the candidates of the nearest lists. All queries
    that probe a list are multiplied with it at once: for many queries, this is many times faster
    than scanning lists query by query. Lists that stay empty are removed.

    Example:
        >>> lists = InvertedLists(torch.eye(4), num_lists=2)
        >>> lists.search(torch.eye(4), k=1, num_probes=2)[1]
        tensor([[0], [1], [2], [3]])
    """

    def __init__(self, candidates: Tensor, num_lists: int, memory_budget: int = 2**30) -> None:
        check_integer("num_lists", num_lists, 1)
        self.candidates = candidates
        self.memory_budget = memory_budget
        self.num_lists = min(num_lists, candidates.size(0))
        self.centre = self._train()
        # The first of equal centres takes all candidates; an empty list would waste a probe.
        used, nearest = torch.unique(self._nearest_centre(candidates), return_inverse=True)
        self.centre, self.num_lists = self.centre[used], used.numel()
        self._nearest = nearest
        self._rank = rank_among_equal_rows(candidates)
        self._fill(EQUAL_CANDIDATES)

    def search(self, query: Tensor, k: int, num_probes: int) -> tuple[Tensor, Tensor]:
        r"""Returns the inner products and ids of the :math:`k` best candidates of each query,
        padded with :math:`-\infty` and :obj:`-1` to the shape :obj:`[num_queries, k]`.
        """
        if k > self._num_equal:
            self._fill(k)
        num_probes = min(num_probes, self.num_lists)
        values = query.new_full((query.size(0), k), -torch.inf)
        ids = torch.full((query.size(0), k), -1, dtype=torch.long, device=query.device)
        # Per query: probes and their order, the first lists' best, candidates above the bound.
        num_bytes = 32 * num_probes + 16 * FIRST_PROBES * k + PASSED_BYTES
        rows = max(1, self.memory_budget // num_bytes)
        for block in blocks(query.size(0), rows, "searching neighbours"):
            values[block], ids[block] = self._search_block(query[block], k, num_probes)
        return values, ids

    def _fill(self, num_equal: int) -> None:
        # Only the first of equal candidates are held: all of them would pass the bound.
        kept = (self._rank < num_equal).nonzero().view(-1)
        self.member = kept[torch.argsort(self._nearest[kept], stable=True)]
        self.pointer = index2ptr(self._nearest[kept], self.num_lists).tolist()
        self._num_equal = num_equal

    def _search_block(self, query: Tensor, k: int, num_probes: int) -> tuple[Tensor, Tensor]:
        probe = self._nearest_lists(query, num_probes)
        first, rest = probe[:, :FIRST_PROBES], probe[:, FIRST_PROBES:]
        values = query.new_full((query.size(0) * first.size(1), k), -torch.inf)
        ids = torch.full_like(values, -1, dtype=torch.long)
        for member, place, scores in self._compare(query, first):
            value, column = scores.topk(min(k + 1, member.numel()))
            tied = (value[:, k - 1 : k] == value[:, k:]).any(dim=1).nonzero().view(-1)
            value, column = value[:, :k], column[:, :k]
            if tied.numel() > 0:
                value[tied], column[tied] = topk_by_id(scores[tied], k)
            values[place, : value.size(1)] = value
            ids[place, : value.size(1)] = member[column]
        values, ids = values.view(query.size(0), -1), ids.view(query.size(0), -1)
        # The best of the nearest lists exclude most of the other candidates.
        bound = values.topk(k).values[:, -1:].contiguous()
        row, column = ((values >= bound) & (ids >= 0)).nonzero().unbind(1)
        rows, columns, found = [row], [ids[row, column]], [values[row, column]]
        for member, place, scores in self._compare(query, rest):
            row = place // rest.size(1)
            at, column = (scores >= bound[row]).nonzero().unbind(1)
            rows.append(row[at])
            columns.append(member[column])
            found.append(scores[at, column])
        row, column, value = torch.cat(rows), torch.cat(columns), torch.cat(found)
        order = torch.argsort(row * self.candidates.size(0) + column)
        return best_of_each_row(row[order], column[order], value[order], query.size(0), k)

    def _nearest_lists(self, query: Tensor, num_probes: int) -> Tensor:
        rows = max(1, min(self.memory_budget // (8 * self.num_lists), MAX_QUERIES))
        parts = torch.split(query, rows)
        return torch.cat([matmul_t(x, self.centre).topk(num_probes).indices for x in parts])

    def _compare(self, query: Tensor, probe: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        # For each list: its members, the positions in `probe` that name it, and their scores.
        num_probes = probe.size(1)
        number_of = probe.reshape(-1)
        # Small integers are sorted several times faster.
        small = torch.int16 if self.num_lists < 2**15 else torch.int32
        order = torch.argsort(number_of.to(small), stable=True)
        begin = index2ptr(number_of, self.num_lists).tolist()
        for number in range(self.num_lists):
            member = self.member[self.pointer[number] : self.pointer[number + 1]]
            place = order[begin[number] : begin[number + 1]]
            if place.numel() > 0 and member.numel() > 0:
                row = place // num_probes
                yield member, place, matmul_t_rows(query, row, self.candidates, member)

    def _train(self) -> Tensor:
        step = max(1, self.candidates.size(0) // (TRAINING_POINTS * self.num_lists))
        points = self.candidates[::step]
        centre = points[:: max(1, points.size(0) // self.num_lists)][: self.num_lists].clone()
        for _ in range(ITERATIONS):
            nearest = self._nearest_centre(points, centre)
            total = torch.zeros_like(centre).index_add_(0, nearest, points)
            norm = total.norm(dim=1, keepdim=True)
            # The centre of a list that became empty stays.
            centre = torch.where(norm > 0, total / norm.clamp(min=1e-30), centre)
        return centre

    def _nearest_centre(self, x: Tensor, centre: Tensor | None = None) -> Tensor:
        centre = self.centre if centre is None else centre
        rows = max(1, min(self.memory_budget // (8 * self.num_lists), MAX_QUERIES))
        step = blocks(x.size(0), rows, "sorting items into lists")
        return torch.cat([matmul_t(x[block], centre).argmax(dim=1) for block in step])

    def __repr__(self) -> str:
        name = self.__class__.__name__
        return f"{name}({self.candidates.size(0)}, num_lists={self.num_lists})"


def count_lists(index: str) -> int:
    """Returns the number of lists that an index names, or raises :class:`ValueError` without one.

    Example:
        >>> count_lists("Lists256;nprobe=8")
        256
    """
    match = re.fullmatch(rf"{LISTS}([1-9]\d*)(;{PROBES}=[1-9]\d*)?", index)
    if match is None:
        raise ValueError(
            f"'index' must name a number of lists and at most '{PROBES}', as in "
            f"'{LISTS}256' or '{LISTS}256;{PROBES}=8' (got {index!r})"
        )
    return int(match[1])
