"""Inner products of pairs of vectors, and vectors that are equal."""

import torch
from torch import Tensor

from soil_pyg.ops.ragged import index2ptr, rank_in_group
from soil_pyg.utils.progress import blocks
from soil_pyg.utils.sparse_warnings import no_sparse_warnings

CACHE_BYTES = 2**22
"""The size of a block of gathered vectors that stays in the cache of a CPU."""

GPU_BYTES = 2**28
"""The size of a block of gathered vectors that keeps a GPU busy."""

SHARED_CACHE_BYTES = 2**23
"""The part of the cache shared by the cores of a CPU that vectors of many pairs may take."""

CORE_CACHE_BYTES = 2**20
"""The part of the cache of one core that vectors of many pairs may take."""

MIN_TILE_PAIRS, MIN_TILE_PASSES = 4, 4
"""The number of pairs per row and tile of columns, and the number of passes over the channels, from
which tiles are faster.
"""

MIN_DENSE_PAIRS = 64
"""The number of pairs from which a row may be multiplied with all columns: equal vectors and zeros
can tie with all others.
"""

MIN_DENSE_SHARE = 64
"""The reciprocal of the share of the columns from which a row is multiplied with all columns."""

DENSE_ROWS, DENSE_COLUMNS = 512, 2048
"""The size of a block of dense products."""

COMPARED_NUMBERS = 2**20
"""The number of entries per block in which rows are compared for equality."""


Tile = tuple[slice, slice, tuple[Tensor, Tensor]]
"""Entries, the columns that they are in, and the entries as compressed rows of these columns."""


def exact_inner_product(
    left: Tensor, right: Tensor, row: Tensor, column: Tensor, unit_right: bool = False
) -> Tensor:
    """Returns the inner products of pairs of rows, computed in double precision and rounded to
    single; :obj:`unit_right` normalises the rows of :obj:`right` to unit length first.

    On a CPU the value of a pair depends on its two rows alone.
    """
    return _score_pairs(left, right, row, column, False, unit_right)


def exact_cosine(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Returns the cosines of pairs of rows, like :func:`exact_inner_product`.

    Rows must not be zero. The cosine of a row with itself or with an equal row is exactly one.
    """
    return _score_pairs(x, x, row, column, True, True)


def rank_pairs(
    query: Tensor, candidates: Tensor, ids: Tensor, is_candidate: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Returns the inner products of queries with some candidates each, in double precision and
    rounded to single, and the ids, sorted by (value, id).

    Pairs that :obj:`is_candidate` leaves out come last, with the value :math:`-\infty`.
    """
    row, place = is_candidate.nonzero().unbind(1)
    values = torch.full(ids.size(), -torch.inf, device=ids.device)
    values[row, place] = exact_inner_product(query, candidates, row, ids[row, place])
    ids, order = ids.sort(dim=1)
    values, first = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values, ids.gather(1, first)


def pair_inner_product(left: Tensor, right: Tensor, rowptr: Tensor, col: Tensor) -> Tensor:
    """Returns the inner products of pairs of a row of :obj:`left` and a row of :obj:`right`, which
    are the entries of compressed rows.

    On a CPU the value of a pair depends on its two rows and the size of :obj:`right` alone.
    """
    passes = range(0, left.size(1), _cached_channels(right))
    order, tiles = _tiles(rowptr, col, right, passes)
    value = left.new_zeros(col.numel())
    for begin in passes:
        channels = slice(begin, begin + passes.step)
        a, b = left[:, channels].contiguous(), right[:, channels].contiguous()
        for entries, columns, pairs in tiles:
            value[entries] = _add_products(value[entries], a, b[columns], *pairs)
    return value if order is None else torch.empty_like(value).scatter_(0, order, value)


def block_rows(memory_budget: int, num_columns: int, bytes_per_entry: int = 16) -> int:
    """Returns the number of rows of a block of scores that fit the budget, at least one."""
    return max(1, memory_budget // (bytes_per_entry * max(1, num_columns)))


def first_equal_row(x: Tensor) -> Tensor:
    """Returns the first row that is equal to each row of a matrix.

    Where different rows have equal weighted sums, it may be a later one of the equal rows.

    Example:
        >>> first_equal_row(torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]]))
        tensor([0, 1, 0])
    """
    num_rows, channels = x.size()
    step = max(1, COMPARED_NUMBERS // max(1, channels))
    weight = torch.linspace(1, 2, channels, dtype=x.dtype, device=x.device)
    key = x.new_empty(num_rows)
    for start in range(0, num_rows, step):
        # Summed along the rows, so that equal rows have equal sums.
        key[start : start + step] = (x[start : start + step] * weight).sum(dim=1)
    key, order = key.sort(stable=True)
    differs = torch.ones(num_rows, dtype=torch.bool, device=x.device)
    second = (key[1:] == key[:-1]).nonzero().view(-1) + 1
    for block in blocks(second.numel(), step, "comparing equal features"):
        place = second[block]
        before = x.index_select(0, order[place - 1])
        differs[place] = (before != x.index_select(0, order[place])).any(dim=1)
    place = torch.arange(num_rows, device=x.device)
    first = order[place.masked_fill(~differs, 0).cummax(dim=0).values]
    return torch.empty_like(first).scatter_(0, order, first)


def rank_among_equal_rows(x: Tensor) -> Tensor:
    """Returns the number of rows before each row that are equal to it, see :func:`first_equal_row`.

    Example:
        >>> rank_among_equal_rows(torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]]))
        tensor([0, 0, 1])
    """
    first, order = first_equal_row(x).sort(stable=True)
    return torch.empty_like(order).scatter_(0, order, rank_in_group(first))


def _score_pairs(
    left: Tensor, right: Tensor, row: Tensor, column: Tensor, unit_left: bool, unit_right: bool
) -> Tensor:
    out = torch.empty(row.numel(), device=left.device)
    count = torch.bincount(row, minlength=left.size(0))
    is_dense = (count >= max(MIN_DENSE_PAIRS, right.size(0) // MIN_DENSE_SHARE))[row]
    for score, entry in (
        (_score_pairwise, (~is_dense).nonzero().view(-1)),
        (_score_blockwise, is_dense.nonzero().view(-1)),
    ):
        if entry.numel() > 0:
            pairs = row[entry], column[entry]
            out[entry] = score(left, right, *pairs, unit_left, unit_right)
    return out


def _score_pairwise(
    left: Tensor, right: Tensor, row: Tensor, column: Tensor, unit_left: bool, unit_right: bool
) -> Tensor:
    out = torch.empty(row.numel(), device=left.device)
    block_bytes = CACHE_BYTES if left.device.type == "cpu" else GPU_BYTES
    rows = max(1, block_bytes // (32 * max(1, left.size(1))))
    for block in blocks(row.numel(), rows, "scoring pairs"):
        a = left.index_select(0, row[block]).double()
        b = right.index_select(0, column[block]).double()
        scale = _dot(a, a) ** int(unit_left) * _dot(b, b) ** int(unit_right)
        out[block] = (_dot(a, b) / scale.sqrt()).float()
    return out


def _score_blockwise(
    left: Tensor, right: Tensor, row: Tensor, column: Tensor, unit_left: bool, unit_right: bool
) -> Tensor:
    # Products of whole blocks, from which the pairs are taken: many times faster for many pairs.
    out = torch.empty(row.numel(), device=left.device)
    is_certain = torch.empty_like(out, dtype=torch.bool)
    distinct, place = torch.unique(row, return_inverse=True)
    # Twice the largest error of a sum in any order, per unit of length.
    error = (left.size(1) + 4) * 2.0**-51
    for columns in blocks(right.size(0), DENSE_COLUMNS, "scoring pairs"):
        b = right[columns].double()
        square_b = _dot(b, b)
        inside = ((column >= columns.start) & (column < columns.stop)).nonzero().view(-1)
        for start in range(0, distinct.numel(), DENSE_ROWS):
            here = (place[inside] >= start) & (place[inside] < start + DENSE_ROWS)
            entry = inside[here.nonzero().view(-1)]
            at, to = place[entry] - start, column[entry] - columns.start
            a = left.index_select(0, distinct[start : start + DENSE_ROWS]).double()
            square_a = _dot(a, a)
            scale = (square_a ** int(unit_left))[at] * (square_b ** int(unit_right))[to]
            score = (a @ b.t())[at, to] / scale.sqrt()
            margin = error * (square_a[at] * square_b[to] / scale).sqrt()
            out[entry] = score.float()
            is_certain[entry] = (score - margin).float() == (score + margin).float()
    # The order of a sum depends on the block: where it can decide a digit, pairs are scored alone.
    entry = (~is_certain).nonzero().view(-1)
    if entry.numel() > 0:
        pairs = row[entry], column[entry]
        out[entry] = _score_pairwise(left, right, *pairs, unit_left, unit_right)
    return out


def _dot(x: Tensor, y: Tensor) -> Tensor:
    # The inner product of each row of `x` with the same row of `y`.
    row = torch.arange(x.size(0) + 1, device=x.device)
    return _add_products(x.new_zeros(x.size(0)), x, y, row, row[:-1])


def _add_products(
    value: Tensor, left: Tensor, right: Tensor, rowptr: Tensor, col: Tensor
) -> Tensor:
    # Torch sums each product of a CPU in one order, whatever the other pairs and the threads.
    size = left.size(0), right.size(0)
    with no_sparse_warnings():
        pairs = torch.sparse_csr_tensor(rowptr, col, value, size, check_invariants=False)
    out: Tensor = torch.sparse.sampled_addmm(pairs, left, right.t()).values()
    return out


def _tiles(
    rowptr: Tensor, col: Tensor, right: Tensor, passes: range
) -> tuple[Tensor | None, list[Tile]]:
    # Blocks of columns, whose vectors stay in the cache of a core if many pairs have them, and the
    # order that puts the pairs of a block together.
    if max(col.numel(), rowptr.numel(), right.size(0)) < 2**31:
        rowptr, col = rowptr.int(), col.int()
    num_rows, num_columns = rowptr.numel() - 1, right.size(0)
    size = max(1, CORE_CACHE_BYTES // (right.element_size() * passes.step))
    num_tiles = -(-num_columns // size)
    has_few = col.numel() < num_rows * num_tiles * MIN_TILE_PAIRS or len(passes) < MIN_TILE_PASSES
    if right.device.type != "cpu" or num_tiles <= 1 or has_few:
        return None, [(slice(0, col.numel()), slice(0, num_columns), (rowptr, col))]
    tile = col // size
    order = torch.argsort(tile, stable=True)
    row = torch.repeat_interleave(rowptr.diff())[order]
    col = col[order] - tile[order] * size
    tiles, end = [], 0
    for number, count in enumerate(torch.bincount(tile, minlength=num_tiles).tolist()):
        entries = slice(end, end := end + count)
        columns = slice(number * size, min((number + 1) * size, num_columns))
        tiles.append((entries, columns, (index2ptr(row[entries], num_rows).int(), col[entries])))
    return order, tiles


def _cached_channels(x: Tensor) -> int:
    # The number of channels at which vectors that many pairs share stay in the cache.
    width = SHARED_CACHE_BYTES // (x.element_size() * max(1, x.size(0))) // 64 * 64
    return width if width > 0 and x.device.type == "cpu" else max(1, x.size(1))
