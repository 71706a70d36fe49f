"""Inner products of pairs of vectors."""

import torch
from torch import Tensor

from soil_pyg.progress import blocks

CACHE_BYTES = 2**21
"""Gathered vectors are scored in blocks that stay in the processor's cache."""

GATHER_COST = 64
"""How many times the inner product of a gathered pair costs one of a matrix product."""


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
