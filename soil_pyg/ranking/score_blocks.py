from collections.abc import Iterator

import torch
from torch import Tensor

from soil_pyg.ops.matmul import matmul_t
from soil_pyg.ops.ragged import concat_ranges
from soil_pyg.utils.checks import check_between, check_integer
from soil_pyg.utils.remember import remember
from soil_pyg.utils.sparse_warnings import no_sparse_warnings

PAIRS_PER_BLOCK = 2**22
"""The number of pairs whose order is checked at a time."""


@torch.no_grad()
def score_blocks(
    user_emb: Tensor,
    item_emb: Tensor,
    users: Tensor,
    mask_index: Tensor,
    memory_budget: int = 2**30,
) -> Iterator[tuple[slice, Tensor]]:
    r"""Yields the scores of all items for blocks of users; masked scores are :obj:`-inf`.

    .. math::
        \hat{y}_{ui} = \mathbf{e}_u^{\top} \mathbf{e}_i

    Embeddings of all users and items are dense or sparse COO, :obj:`users` are in any order, and
    :obj:`mask_index` holds pairs of user and item in shape :obj:`[2, num_pairs]`. A block is the
    slice of its users and their scores of shape :obj:`[block_size, num_items]`, in at most
    :obj:`memory_budget` bytes. It is valid until the next one, which may reuse its memory.

    Raises:
        ValueError: If the embeddings do not match each other or the users.
        FloatingPointError: If the embeddings admit a score that is not finite.

    Example:
        >>> emb, mask_index = torch.eye(3), torch.tensor([[2], [0]])
        >>> for rows, scores in score_blocks(emb, emb, torch.tensor([2]), mask_index):
        ...     print(rows, scores)
        slice(0, 1, None) tensor([[-inf, 0., 1.]])
    """
    check_integer("memory_budget", memory_budget, 1)
    check_embeddings(user_emb, item_emb)
    _check_users(users, user_emb.size(0))
    num_items = item_emb.size(0)
    user_emb, item_emb = _prepare(user_emb), _prepare(item_emb.t())
    largest = _largest(item_emb) * max(1, item_emb.size(0))
    masked_user, masked_item = sort_by_row(mask_index).contiguous()
    block_size = memory_budget // (16 * max(num_items, 1))
    if users.device.type == "cpu":  # A block fits the processor's cache.
        block_size = min(block_size, max(2**20 // max(num_items, 1), 32))
    num_blocks = -(-len(users) // max(block_size, 1))

    memory = torch.empty(0, dtype=user_emb.dtype, device=user_emb.device)
    stop = 0
    for block in users.tensor_split(max(num_blocks, 1)):
        _check_finite(user_emb if user_emb.is_sparse else user_emb[block], largest)
        scores = _product(user_emb, item_emb, block, memory.resize_(len(block), num_items))
        row, index = entries(masked_user, block)
        scores[row, masked_item[index]] = -torch.inf
        start, stop = stop, stop + len(block)
        yield slice(start, stop), scores


def sort_by_row(pairs: Tensor) -> Tensor:
    """Returns pairs of row and column of shape :obj:`[2, num_pairs]` in the order of the rows."""
    if remember(pairs, "sorted", lambda: _is_sorted(pairs[0])):
        return pairs
    return pairs[:, pairs[0].argsort(stable=True)]


def check_embeddings(user_emb: Tensor, item_emb: Tensor) -> None:
    """Raises :class:`ValueError` unless embeddings are matrices that can be multiplied."""
    sizes = tuple(user_emb.size()), tuple(item_emb.size())
    if any(len(size) != 2 for size in sizes) or sizes[0][1] != sizes[1][1]:
        raise ValueError(
            "'user_emb' and 'item_emb' must be matrices of the same number of columns "
            f"(got {sizes[0]} and {sizes[1]})"
        )


def _check_users(users: Tensor, num_users: int) -> None:
    if users.dim() != 1 or users.is_floating_point() or users.dtype == torch.bool:
        raise ValueError(f"'users' must be a vector of integers (got {users.dtype})")
    if users.numel() > 0:
        check_between("users", int(users.amin()), 0, num_users - 1)
        check_between("users", int(users.amax()), 0, num_users - 1)


def _prepare(emb: Tensor) -> Tensor:
    emb = emb.coalesce() if emb.is_sparse else emb.contiguous()
    return emb if emb.dtype in (torch.float32, torch.float64) else emb.float()


def _is_sorted(values: Tensor) -> bool:
    blocks = range(0, values.numel(), PAIRS_PER_BLOCK)
    return not any(bool((values[n : n + PAIRS_PER_BLOCK + 1].diff() < 0).any()) for n in blocks)


def _largest(emb: Tensor) -> float:
    values = emb.values() if emb.is_sparse else emb
    return max(abs(float(end)) for end in values.aminmax()) if values.numel() > 0 else 0.0


def _check_finite(user_emb: Tensor, largest: float) -> None:
    if not _largest(user_emb) * largest <= torch.finfo(user_emb.dtype).max:
        raise FloatingPointError(
            "The scores must be finite: the embeddings hold nan or inf, or are too large"
        )


def _product(user_emb: Tensor, item_emb: Tensor, users: Tensor, memory: Tensor) -> Tensor:
    if not user_emb.is_sparse and not item_emb.is_sparse:
        return matmul_t(user_emb[users], item_emb.t(), out=memory)
    if not user_emb.is_sparse:
        return user_emb[users] @ item_emb
    row, index = entries(user_emb.indices()[0].contiguous(), users)
    indices = torch.stack([row, user_emb.indices()[1, index]])
    size = (len(users), user_emb.size(1))
    block = torch.sparse_coo_tensor(
        indices, user_emb.values()[index], size, is_coalesced=True, check_invariants=False
    )
    with no_sparse_warnings():
        scores = block @ item_emb
    return scores.to_dense() if scores.is_sparse else scores


def entries(sorted_rows: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the entries of the given rows: the position of the row in the argument, and that of
    the entry.
    """
    start = torch.searchsorted(sorted_rows, rows)
    count = torch.searchsorted(sorted_rows, rows, right=True) - start
    index, row = concat_ranges(start, count)
    return row, index
