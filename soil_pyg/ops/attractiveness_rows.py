import copy
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.collector import MAX_ROWS, Collector, Features, item_blocks
from soil_pyg.ops.keys import group_keys
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_t
from soil_pyg.ops.pairs import (
    block_rows,
    exact_cosine,
    first_equal_row,
    pair_inner_product,
    rank_among_equal_rows,
)
from soil_pyg.ops.ragged import index2ptr
from soil_pyg.ops.topk import ROUNDING, best_of_candidates, topk_rescored
from soil_pyg.utils.progress import blocks

FIRST = 16
"""The number of entries per row that a pass gathers; rows are lengthened when needed."""

BYTES_PER_CANDIDATE = 128
"""The memory that the comparison of an item with a candidate takes."""


class AttractivenessRows(Collector):
    r"""Gathers the largest entries of each row of the attractiveness, the product of the
    similarities in all modalities (Eq. 2).

    .. math::
        S_a[i, j] = \prod_m \mathbf{c}_{m,i}^{\top} \mathbf{c}_{m,j}

    over the modalities that both items have; a pair without any is no candidate. Entries are
    chosen by (value, id). After an approximate search, the candidates of a row are the neighbours
    in all modalities, :obj:`num_neighbours` of each.
    """

    def __init__(
        self, features: Features, memory_budget: int = 2**30, num_neighbours: int = FIRST
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.features = features
        self.memory_budget = memory_budget
        self.num_items = next(iter(features.values()))[0].size(0)
        # Each factor is rounded.
        self.rounding = ROUNDING * len(features)
        device = self._device
        self.expected: Tensor | None = None
        """The keys of the second-order items of a sample of users, found exactly."""
        # Row n holds the entries begin[n]..begin[n] + length[n], descending. Whole rows will not be
        # lengthened.
        self.length = torch.zeros(self.num_items, dtype=torch.long, device=device)
        self.begin = torch.zeros_like(self.length)
        self.is_whole = torch.zeros_like(self.length, dtype=torch.bool)
        self.columns = torch.empty(0, dtype=torch.int32, device=device)
        self.values = torch.empty(0, device=device)
        self._rows: tuple[Tensor, Tensor] | None = None
        # Where the candidates of each item stand, and the candidates, by modality.
        self._candidates: list[tuple[Tensor, Tensor]] = []

    def emptied(self) -> "AttractivenessRows":
        """Returns rows without entries, which share what the features alone decide."""
        # Here, or each of the copies would compute it.
        _ = self._rank
        out = copy.copy(self)
        out.length, out.begin = torch.zeros_like(self.length), torch.zeros_like(self.begin)
        out.is_whole = torch.zeros_like(self.is_whole)
        out.columns, out.values = self.columns[:0], self.values[:0]
        return out

    def parts(self) -> list[slice]:
        """Returns blocks of items."""
        return item_blocks(self.num_items)

    def compute(self, part: slice) -> tuple[Tensor, Tensor]:
        """Returns the largest entries of the rows of a block."""
        node = torch.arange(part.start, part.stop, device=self._device)
        similarity = {m: matmul_t(c[part], c) for m, (c, _) in self.features.items()}
        return self._top(node, similarity, FIRST)

    def keep(self, part: slice, found: tuple[Tensor, Tensor]) -> None:
        """Takes the largest entries of the rows of a block."""
        self._keep(part, *found)

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes a block of rows of the similarities."""
        node = torch.arange(block.start, block.stop, device=self._device)
        self._keep(block, *self._top(node, similarity, FIRST))

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search."""
        self.add_candidates(node, node, neighbour[:, : self.num_neighbours])

    def add_candidates(self, item: Tensor, node: Tensor, neighbour: Tensor) -> None:
        """Takes the neighbours of some items as positions in :obj:`node`, :obj:`-1` where fewer
        were found.
        """
        place = torch.full((self.num_items,), item.numel(), dtype=torch.int32, device=self._device)
        place[item] = torch.arange(item.numel(), dtype=torch.int32, device=self._device)
        # Items without the modality have the last row.
        size = item.numel() + 1, neighbour.size(1)
        candidates = torch.full(size, self.num_items, dtype=torch.int32, device=self._device)
        candidates[:-1] = node.int()[neighbour].masked_fill_(neighbour < 0, self.num_items)
        self._candidates.append((place, candidates))

    def finish(self) -> None:
        """Joins the gathered blocks."""
        is_exact = len(self._candidates) == 0
        if not is_exact:
            rows = self._rows_per_block()
            for block in blocks(self.num_items, rows, "scoring second-order items"):
                item = torch.arange(block.start, block.stop, device=self._device)
                self._keep(block, *self._top_of_candidates(item, FIRST))
        assert self._rows is not None
        self.length, self.columns, self.values = _join([self._rows])
        self.begin = cumsum(self.length)[:-1]
        self.is_whole = self.length < FIRST
        self._rows = None

    def _keep(self, block: slice, values: Tensor, columns: Tensor) -> None:
        # Allocated at once: results kept per block between temporaries would fragment the heap.
        if self._rows is None:
            size = self.num_items, values.size(1)
            self._rows = values.new_empty(size), columns.new_empty(size, dtype=torch.int32)
        self._rows[0][block] = values
        self._rows[1][block] = columns.int()

    def lengthen(self, item: Tensor, width: Tensor) -> None:
        """Searches the rows of items for at least :obj:`width` entries each."""
        item = item[torch.argsort(width)]
        width = width.sort().values
        size = min(block_rows(self.memory_budget, self.num_items, 24), MAX_ROWS)
        if self._candidates:
            size = self._rows_per_block()
        rows = []
        for block in blocks(item.numel(), size, "searching second-order items"):
            node, k = item[block], int(width[block].max())
            if self._candidates:
                rows.append(self._top_of_candidates(node, k))
            else:
                similarity = {m: matmul_t(c[node], c) for m, (c, _) in self.features.items()}
                rows.append(self._top(node, similarity, k))
        length, columns, values = _join(rows)
        self.begin[item] = self.columns.numel() + cumsum(length)[:-1]
        self.length[item] = length
        self.is_whole[item] = True
        self.columns = torch.cat([self.columns, columns])
        self.values = torch.cat([self.values, values])

    def recall(self, key: Tensor) -> float:
        """Returns the share of the :attr:`expected` keys that were found."""
        if self.expected is None or self.expected.numel() == 0:
            return 1.0
        return float(torch.isin(self.expected, key).float().mean())

    def exact(self, row: Tensor, column: Tensor) -> Tensor:
        r"""Returns the entries of pairs of items in double precision, rounded to single,
        :math:`-\infty` for pairs without a modality.
        """
        value = torch.ones(row.numel(), device=row.device)
        shared = torch.zeros_like(value, dtype=torch.bool)
        for c, has in self.features.values():
            both = has[row] & has[column]
            value[both] *= exact_cosine(c, row[both], column[both])
            shared |= both
        return value.masked_fill(~shared, -torch.inf)

    def weigh(self, row: Tensor, column: Tensor) -> Tensor:
        """Returns the entries of pairs of items that share a modality, in single precision, each
        summed in the same order whatever the other pairs.
        """
        key, inverse = group_keys(row * self.num_items + column)
        row, column = key // self.num_items, key % self.num_items
        rowptr = index2ptr(row, self.num_items)
        value = torch.ones(key.numel(), device=key.device)
        for c, has in self.features.values():
            factor = pair_inner_product(c, c, rowptr, column)
            value *= factor.masked_fill(~(has[row] & has[column]), 1.0)
        return value[inverse]

    @cached_property
    def _rank(self) -> Tensor:
        # The number of items before each item that are equal to it in all modalities.
        first = [first_equal_row(c).where(has, -1) for c, has in self.features.values()]
        return rank_among_equal_rows(torch.stack(first, dim=1).double())

    @property
    def _device(self) -> torch.device:
        return next(iter(self.features.values()))[0].device

    def _top(self, node: Tensor, similarity: dict[str, Tensor], k: int) -> tuple[Tensor, Tensor]:
        # The values and columns of the k best entries per row.
        tolerance = torch.full((node.numel(),), self.rounding, device=node.device)
        scores = self._product(node, similarity)
        # Only the first k of equal items can be chosen.
        late = self._rank >= k
        return topk_rescored(
            scores.masked_fill(late, -torch.inf) if bool(late.any()) else scores,
            min(k, self.num_items),
            tolerance,
            lambda row, column: self.exact(node[row], column),
            ordered=False,
        )

    def _product(self, node: Tensor, similarity: dict[str, Tensor]) -> Tensor:
        out: Tensor | None = None
        shared: Tensor | None = None
        for modality, (_, has) in self.features.items():
            factor = similarity[modality]
            if not has.all():
                both = has[node].unsqueeze(1) & has
                factor = factor.masked_fill(~both, 1.0)
                shared = both if shared is None else shared | both
            elif shared is not None:
                shared = torch.ones_like(shared)
            else:
                shared = torch.ones(1, 1, dtype=torch.bool, device=node.device)
            out = factor if out is None else out * factor
        assert out is not None
        assert shared is not None
        return out if bool(shared.all()) else out.masked_fill(~shared, -torch.inf)

    def _rows_per_block(self) -> int:
        width = sum(candidates.size(1) for _, candidates in self._candidates)
        return block_rows(self.memory_budget, width, BYTES_PER_CANDIDATE)

    def _top_of_candidates(self, node: Tensor, k: int) -> tuple[Tensor, Tensor]:
        def score(rowptr: Tensor, column: Tensor) -> Tensor:
            row = node.repeat_interleave(rowptr.diff())
            value = torch.ones(column.numel(), device=node.device)
            for c, has in self.features.values():
                factor = pair_inner_product(c[node], c, rowptr, column)
                value *= factor.masked_fill(~(has[row] & has[column]), 1.0)
            return value

        found = torch.cat([candidates[place[node]] for place, candidates in self._candidates], 1)
        return best_of_candidates(found, self.num_items, k, score)


def _join(rows: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    found = [columns >= 0 for _, columns in rows]
    length = [mask.sum(dim=1) for mask in found]
    columns = [row[1][mask].int() for row, mask in zip(rows, found, strict=True)]
    values = [row[0][mask] for row, mask in zip(rows, found, strict=True)]
    return torch.cat(length), torch.cat(columns), torch.cat(values)
