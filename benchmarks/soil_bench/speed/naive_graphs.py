"""SOIL's released graphs by their definitions: dense similarities and loops over users.

The similarities of a history are computed from the features for each user, because the known times
of the released code, 72 s on tiktok and 344 s on baby, grow with the dimension of the features.
"""

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, modalities_of
from soil_pyg.utils.progress import blocks
from soil_pyg.utils.sparse_warnings import no_sparse_warnings


def graphs(
    data: HeteroData,
    *,
    k: int = 10,
    k_i: int = 10,
    k_a: int = 2,
    second_order_scale: float = 0.5,
    min_weight: float = 1e-7,
    num_users: int | None = None,
) -> dict[str, Tensor]:
    """Returns the operators of the released profile as coalesced sparse COO tensors.

    They are :obj:`"user_item"` on users and items together, :obj:`"aggregation"`
    (users x items), and :obj:`"<modality>_item_item"` for each modality. Only positive similarities
    are kept, and any of the entries tied at a cut.

    Args:
        data (HeteroData): The interactions, and features without zero rows.
        k (int): The number of neighbours in the similarity graphs. (default: :obj:`10`)
        k_i (int): The number of items of interest per user and modality. (default: :obj:`10`)
        k_a (int): The number of second-order items per user. (default: :obj:`2`)
        second_order_scale (float): The factor of the second-order graph. (default: :obj:`0.5`)
        min_weight (float): The minimum normalised weight of a similarity. (default: :obj:`1e-7`)
        num_users (int, optional): The number of users to loop over; with fewer than all, the graphs
            are incomplete. (default: all)

    Raises:
        ValueError: If there are more items than users, or an item lacks a modality.
    """
    total_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    if num_items > total_users:
        raise ValueError(
            "the aggregation of the released code needs at least as many users as items "
            f"(got {total_users} and {num_items})"
        )
    features = {m: unit(data[ITEM][FEATURE_PREFIX + m], m) for m in modalities_of(data)}
    similarity = {m: c @ c.t() for m, c in features.items()}
    train = data[INTERACTS].edge_index
    histories: list[list[int]] = [[] for _ in range(total_users)]
    for user, item in train.t().tolist():
        histories[user].append(item)
    looped = histories[:num_users]

    interactions = sparse(train, torch.ones(train.size(1)), (total_users, num_items))
    second_order = second_order_graph(similarity, looped, total_users, k_a)
    l1 = sym(bipartite(interactions))
    l2 = at_least(sym(bipartite(second_order)), min_weight)
    norm = at_least(sym_user_index(second_order), min_weight)
    out = {
        "user_item": (l1 + second_order_scale * l2).coalesce(),
        "aggregation": (upper_right(l1, total_users) + second_order_scale * norm).coalesce(),
    }
    num_interested = count_interested_users(features, looped, k_i)
    for modality, s in similarity.items():
        interest = at_least(sym(positive((s * num_interested).to_sparse())), min_weight)
        similar = at_least(sym(positive(similarity_graph(s, k))), min_weight)
        out[f"{modality}_item_item"] = (interest + similar).coalesce()
    return out


def unit(x: Tensor, modality: str) -> Tensor:
    """Returns the features of a modality with rows of unit length, whose products are Eq. 1."""
    missing = (x == 0).all(dim=1).nonzero()
    if missing.numel() > 0:
        raise ValueError(f"every item must have {modality!r} (got none for {int(missing[0])})")
    return F.normalize(x.float())


def second_order_graph(
    similarity: dict[str, Tensor], histories: list[list[int]], total_users: int, k_a: int
) -> Tensor:
    """Returns the weights of the items that users nearly chose (Eq. 2-3)."""
    attractiveness = reduce(torch.mul, similarity.values())
    num_items = attractiveness.size(0)
    rows, columns, weights = [], [], []
    for block in blocks(len(histories), 1, "second-order items"):
        items = histories[block.start]
        width = min(k_a + len(items), num_items)
        values, neighbours = attractiveness[items].topk(width)
        values, index = values.flatten().topk(width)
        neighbours = neighbours.flatten()[index]
        pooled: dict[int, float] = {}
        for item, value in zip(neighbours.tolist(), values.tolist(), strict=True):
            if value > 0:
                pooled[item] = pooled.get(item, 0.0) + value
        for item, weight in pooled.items():
            rows.append(block.start)
            columns.append(item)
            weights.append(weight)
    edge_index = torch.tensor([rows, columns], dtype=torch.long)
    values = torch.tensor(weights, dtype=torch.float)
    return sparse(edge_index, values, (total_users, num_items))


def count_interested_users(
    features: dict[str, Tensor], histories: list[list[int]], k_i: int
) -> Tensor:
    """Returns the number of users who have one item and are interested in another (Eq. 6-8), for
    all pairs of items.
    """
    num_items = next(iter(features.values())).size(0)
    count = torch.zeros(num_items, num_items)
    for block in blocks(len(histories), 1, "items of interest"):
        items = histories[block.start]
        interest = set().union(*(items_of_interest(c, items, k_i) for c in features.values()))
        for i in items:
            for j in interest:
                count[i, j] += 1
    return count


def items_of_interest(c: Tensor, items: list[int], k_i: int) -> set[int]:
    """Returns the items that are most similar to some items in total (Eq. 6)."""
    total = (c @ c[items].t()).sum(dim=1)
    return set(total.topk(min(k_i, total.numel())).indices.tolist())


def similarity_graph(similarity: Tensor, k: int) -> Tensor:
    """Returns the similarities of each item with its nearest neighbours (Eq. 9)."""
    num_items = similarity.size(0)
    values, columns = similarity.topk(min(k, num_items))
    rows = torch.arange(num_items).unsqueeze(1).expand_as(columns)
    edge_index = torch.stack([rows.flatten(), columns.flatten()])
    return sparse(edge_index, values.flatten(), similarity.size())


def positive(matrix: Tensor) -> Tensor:
    """Returns the matrix without the stored values that are not positive."""
    keep = matrix.values() > 0
    values = matrix.values()[keep]
    return sparse(matrix.indices()[:, keep], values, matrix.size())


def bipartite(matrix: Tensor) -> Tensor:
    """Returns the symmetric matrix on users and items of a users x items matrix."""
    num_users, num_items = matrix.size()
    row, column = matrix.indices()
    edge_index = torch.stack([row, column + num_users])
    edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    size = num_users + num_items
    values = torch.cat([matrix.values(), matrix.values()])
    return sparse(edge_index, values, (size, size))


def upper_right(matrix: Tensor, num_users: int) -> Tensor:
    """Returns the users x items block of a matrix on users and items."""
    row, column = matrix.indices()
    keep = (row < num_users) & (column >= num_users)
    edge_index = torch.stack([row[keep], column[keep] - num_users])
    size = (num_users, matrix.size(0) - num_users)
    return sparse(edge_index, matrix.values()[keep], size)


def sym(matrix: Tensor) -> Tensor:
    """Returns the matrix divided on both sides by the square roots of its row sums."""
    factor = diagonal(inverse_root_degree(matrix))
    return product(product(factor, matrix), factor)


def sym_user_index(matrix: Tensor) -> Tensor:
    """Returns the users x items matrix in which item j has the factor of user j."""
    factor = inverse_root_degree(matrix)
    return product(product(diagonal(factor), matrix), diagonal(factor[: matrix.size(1)]))


def inverse_root_degree(matrix: Tensor) -> Tensor:
    """Returns the inverse square roots of the row sums, 0 for empty rows."""
    degree = torch.sparse.sum(matrix, dim=1).to_dense()
    return degree.pow(-0.5).masked_fill(degree == 0, 0.0)


def diagonal(values: Tensor) -> Tensor:
    """Returns a sparse diagonal matrix."""
    index = torch.arange(values.numel())
    size = (values.numel(), values.numel())
    return sparse(torch.stack([index, index]), values, size)


def at_least(matrix: Tensor, min_weight: float) -> Tensor:
    """Returns the matrix with its stored values raised to a minimum."""
    values = matrix.values().clamp(min=min_weight)
    return sparse(matrix.indices(), values, matrix.size())


def sparse(index: Tensor, values: Tensor, size: tuple[int, ...]) -> Tensor:
    """Returns a coalesced sparse COO matrix."""
    # Explicit, because torch warns otherwise that invariants are not checked.
    return torch.sparse_coo_tensor(index, values, size, check_invariants=False).coalesce()


def product(matrix: Tensor, other: Tensor) -> Tensor:
    """Returns the product of two sparse matrices."""
    # The product creates matrices in compressed rows.
    with no_sparse_warnings():
        out: Tensor = torch.sparse.mm(matrix, other)
        return out.coalesce()
