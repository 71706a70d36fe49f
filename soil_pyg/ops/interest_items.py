import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.best_sums import BestSums
from soil_pyg.ops.collector import Collector, Features
from soil_pyg.ops.faiss_index import MAX_QUERIES
from soil_pyg.ops.interest_candidates import InterestCandidates
from soil_pyg.ops.keys import distinct_keys
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_t
from soil_pyg.ops.pairs import block_rows, exact_inner_product
from soil_pyg.ops.ragged import GrowingTensor, index2ptr
from soil_pyg.ops.topk import ROUNDING, topk_rescored
from soil_pyg.ops.vectors import SAMPLE
from soil_pyg.utils.progress import blocks

CANDIDATES = 16
"""The number of neighbours per interaction that are compared after an approximate search."""

QUERY_NUMBERS = 2**25
"""The largest number of entries per block of queries."""

CACHED_ROWS = 128
"""The number of rows of similarities per sum, which stay in the cache."""

BYTES_PER_CANDIDATE = 64
"""The memory that the comparison of a user with a candidate takes."""

BYTES_PER_SCORE = 16
"""The memory that the score of an item for a user takes."""

ROUNDING_OF_SUM = 2.0**-25
"""The largest error of a sum of terms up to 1, per square of their number."""

TIED_USERS = 16
"""The number of users per block whose tied candidates are compared exactly."""


class InterestItems(Collector):
    r"""Gathers the items of interest to each user (Eq. 6-7), chosen by (value, id).

    .. math::
        \mathcal{I}_a(u) = \bigcup_m \mathrm{top}_{k_i} \sum_{i \in \mathcal{I}(u)} S_m[i, :]

    For each block of items the sums are one product of :obj:`history`, the interactions as a matrix
    of users x items with weights of 1, with the block's similarities, and the best sums so far are
    a pruning bound. An approximate search queries the index with :math:`\sum_{i \in \mathcal{I}(u)}
    \mathbf{c}_i`, whose inner product with :math:`\mathbf{c}_j` is the sum. The items that it finds
    and the neighbours of :math:`\mathcal{I}(u)` are compared exactly.
    """

    def __init__(
        self, features: Features, history: Adjacency, k: int, memory_budget: int = 2**30
    ) -> None:
        super().__init__()
        self.features = features
        self.history = history
        self.k = k
        self.num_neighbours = max(CANDIDATES, k)
        self.memory_budget = memory_budget
        self.num_rows, self.num_items = history.size
        self._length = history.rowptr.diff().float()
        # The similarities are rounded, and then their sums in single precision, term by term.
        tolerance = ROUNDING * self._length + ROUNDING_OF_SUM * self._length**2
        self._best = {m: BestSums(self.num_items, k, tolerance) for m in features}
        self._keys: list[Tensor] = []

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes a block of rows of the similarities."""
        for modality, (_, has) in self.features.items():
            eligible = self.eligible(modality, self.k)
            is_whole = bool(eligible.all())
            lacking = self._length == 0 if bool(has.all()) else self._lack_all(has)
            lacking = lacking.nonzero().view(-1)
            memory = similarity[modality].new_empty(CACHED_ROWS * self.num_items)
            for start in range(block.start, block.stop, CACHED_ROWS):
                items = slice(start, min(start + CACHED_ROWS, block.stop))
                rows = similarity[modality][start - block.start : items.stop - block.start]
                columns = memory[: rows.numel()].view(self.num_items, -1).copy_(rows.t())
                total = self.history.matmul(columns)
                total.index_fill_(0, lacking, -torch.inf)
                if not is_whole:
                    total[:, ~eligible[items]] = -torch.inf
                self._best[modality].add(start, total)

    def parts(self) -> list[slice]:
        """Returns blocks of users."""
        rows = block_rows(self.memory_budget, self.num_items, BYTES_PER_SCORE)
        return [slice(n, min(n + rows, self.num_rows)) for n in range(0, self.num_rows, rows)]

    def compute(self, part: slice) -> list[Tensor]:
        """Returns the best items of a block of users in each modality, which :meth:`add_block`
        finds by blocks of items.
        """
        users = torch.arange(part.start, part.stop, device=self._length.device)
        history = self.history.select_rows(users)
        keys = []
        for modality, (c, has) in self.features.items():
            query = torch.zeros(users.numel(), c.size(1), dtype=torch.float64, device=c.device)
            query.index_add_(0, history.row(), _unit(c[history.col.long()]))
            scores = matmul_t(query.float(), c)
            scores[:, ~self.eligible(modality, self.k)] = -torch.inf
            scores[history.matmul(has.float().unsqueeze(1)).view(-1) == 0] = -torch.inf
            item = topk_rescored(
                scores,
                min(self.k, self.num_items),
                2 * ROUNDING * self._length[part],
                partial(exact_inner_product, query, c, unit_right=True),
                ordered=False,
            )[1]
            row, place = (item >= 0).nonzero().unbind(1)
            keys.append(users[row] * self.num_items + item[row, place])
        return keys

    def keep(self, part: slice, found: list[Tensor]) -> None:
        """Takes the best items of a block of users."""
        self._keys.extend(found)

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search."""
        start = time.perf_counter()
        c, has = self.features[modality]
        candidates = InterestCandidates(
            c, node, neighbour[:, : self.num_neighbours], self.num_items, self.k
        )
        owner = torch.unique(self.history.row()[has[self.history.col.long()]])
        self._deepen(knn, candidates, owner[:: max(1, owner.numel() // SAMPLE)])
        # Blocks do not depend on the budget, so that the results do not either.
        rows = max(1, min(MAX_QUERIES, QUERY_NUMBERS // c.size(1)))
        size = owner.numel(), min(self.k, knn.numel)
        sought = torch.empty(size, dtype=torch.int32, device=owner.device)
        for block in blocks(owner.numel(), rows, "searching items of interest"):
            query = self.history.select_rows(owner[block]).matmul(c)
            sought[block] = knn.find(query, self.k).int()
        keys = GrowingTensor(torch.long, owner.device)
        for users in self._blocks_of_users(owner, neighbour.size(1) + c.size(1)):
            row, item = candidates.best(self.history.select_rows(owner[users]), sought[users])
            keys.add(owner[users[row]] * self.num_items + item)
        self._keys.append(keys.pop())
        self.report[modality] = knn.report | {"seconds": time.perf_counter() - start}

    def _blocks_of_users(self, owner: Tensor, width: int) -> Iterator[Tensor]:
        # Users of a block have histories of similar length, since their candidates are padded.
        size = self.history.rowptr.diff()[owner]
        size = 2 ** size.float().log2().ceil().long()
        order = torch.argsort(size, stable=True)
        length, count = torch.unique(size, return_counts=True)
        parts: list[Tensor] = []
        for group, num in zip(torch.split(order, count.tolist()), length.tolist(), strict=True):
            rows = block_rows(self.memory_budget, num * width, BYTES_PER_CANDIDATE)
            parts.extend(torch.split(group, rows))
        for step in blocks(len(parts), 1, "comparing items of interest"):
            yield parts[step.start]

    def _deepen(self, knn: KNN, candidates: InterestCandidates, sample: Tensor) -> None:
        if sample.numel() == 0:
            return
        history = self.history.select_rows(sample)
        query = history.matmul(candidates.c)
        row = torch.arange(sample.numel(), device=sample.device).unsqueeze(1) * self.num_items
        expected = row + candidates.node[knn.exact().find(query, self.k)]

        def measure() -> float:
            row, item = candidates.best(history, knn.find(query, self.k))
            return float(torch.isin(expected, row * self.num_items + item).float().mean())

        knn.deepen(measure, self.k, "items of interest")

    def finish(self) -> tuple[Tensor, Tensor]:
        """Returns the distinct items of interest of each user, ascending, as row pointers of shape
        :obj:`[num_users + 1]` and items.
        """
        for modality, best in self._best.items():
            if len(best) > 0 or not self._keys:
                self._keys.append(best.pop(partial(self._exact_sums, modality)))
        key = torch.cat(self._keys)
        self._keys.clear()
        key, _ = distinct_keys(key)
        user = key // self.num_items
        rowptr = index2ptr(user, self.num_rows)
        return rowptr, key.sub_(user.mul_(self.num_items)).int()

    def _lack_all(self, has: Tensor) -> Tensor:
        # The mask of the users none of whose items has the modality.
        return self.history.matmul(has.float().unsqueeze(1)).squeeze(1) == 0

    def _exact_sums(self, modality: str, user: Tensor, item: Tensor) -> Tensor:
        # In double precision: the sums of both items of a user with two items are equal.
        c = self.features[modality][0]
        out = torch.empty(user.numel(), device=c.device)
        distinct, owner, count = torch.unique_consecutive(
            user, return_inverse=True, return_counts=True
        )
        first = cumsum(count).tolist()
        for block in blocks(distinct.numel(), TIED_USERS, "comparing items of interest"):
            items = self.history.select_rows(distinct[block])
            near = slice(first[block.start], first[block.stop])
            query = torch.zeros(items.size[0], c.size(1), dtype=torch.float64, device=c.device)
            query.index_add_(0, items.row(), _unit(c[items.col.long()]))
            row = owner[near] - block.start
            out[near] = exact_inner_product(query, c, row, item[near], unit_right=True)
        return out


def _unit(x: Tensor) -> Tensor:
    x = x.double()
    norm: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / norm.clamp(min=1e-300)
