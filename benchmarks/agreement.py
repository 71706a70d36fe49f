"""Whether our graphs and embeddings are those of the naive rendering.

Two items of a user's history are equally similar to one another, and where the cut of the
second-order items falls between the two either is right. Such users are counted, and what depends
on their choice is left out of the comparison.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

import naive
from inputs import load_graphs, load_matrices
from measured import OPTIONS, make_fast
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, modalities_of

TOLERANCE = 1e-5
TIE = 1e-6


def compare(graphs: str, naive_graphs: str) -> dict[str, Any]:
    """Counts the entries in which the graphs differ, and tells how far embeddings are apart.

    Args:
        graphs (str): The file of our graphs.
        naive_graphs (str): The file of the naive ones.
    """
    data, expected = load_graphs(graphs), load_matrices(naive_graphs)
    found = fast_matrices(data)
    users, items = tied(data, found["aggregation"], expected["aggregation"])
    num_users = data[USER].num_nodes
    result = {}
    for name, matrix in expected.items():
        difference = (found[name] - matrix).coalesce()
        row, column = difference.indices()
        # The choice changes the degrees of the items alone: the same value goes to one of them.
        if name == "user_item":
            depends = torch.isin(row, items + num_users) | torch.isin(column, items + num_users)
        else:
            is_aggregation = name == "aggregation"
            depends = torch.isin(row, users) & torch.isin(column, items) & is_aggregation
        values = difference.values()[~depends].abs()
        bound = TOLERANCE * (1 + float(matrix.values().abs().max()))
        result[name] = {
            "entries": values.numel(),
            "differing": int((values > bound).sum()),
            "tolerance": TOLERANCE,
            "largest": float(values.max()) if values.numel() > 0 else 0.0,
        }
    return {"graphs": result, "tied_users": users.numel(), "embeddings": compare_models(data)}


def compare_models(data: HeteroData) -> float:
    """Returns the largest difference of embeddings, of the same parameters and graphs."""
    ours, other = make_fast(data, "cpu"), naive.NaiveSOIL(data, fast_matrices(data))
    other.load_state_dict(ours.state_dict())
    with torch.no_grad():
        pairs = zip(ours(data), other(), strict=True)
        return max(float((a - b).abs().max()) for a, b in pairs)


def tied(data: HeteroData, found: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the users who have other second-order items for a tie, and these items.

    Args:
        data (HeteroData): The data.
        found (Tensor): Our aggregation, users x items.
        expected (Tensor): The naive one.
    """
    difference = (found - expected).coalesce()
    user, item = difference.indices()[:, difference.values().abs() > TOLERANCE]
    features = [F.normalize(data[ITEM][FEATURE_PREFIX + m].float()) for m in modalities_of(data)]
    users = [u for u in user.unique().tolist() if has_tie(data, features, u)]
    chosen = torch.tensor(users, dtype=torch.long)
    return chosen, item[torch.isin(user, chosen)].unique()


def has_tie(data: HeteroData, features: list[Tensor], user: int) -> bool:
    """Returns whether the last second-order entry of a user is as large as the first left out."""
    train_user, train_item = data[INTERACTS].edge_index
    items = train_item[train_user == user]
    rows = torch.stack([x[items] @ x.t() for x in features]).prod(dim=0)
    width = min(OPTIONS["k_a"] + items.numel(), rows.size(1))
    values = rows.flatten().topk(min(width + 1, rows.numel())).values
    return values.numel() > width and bool(values[width - 1] - values[width] <= TIE)


def fast_matrices(data: HeteroData) -> dict[str, Tensor]:
    """Returns our graphs as the sparse matrices of the naive rendering."""
    matrices = {f"{name}_item_item": coo(data, item_item(name)) for name in modalities_of(data)}
    matrices["aggregation"] = coo(data, AGGREGATION).t().coalesce()
    user_item = coo(data, USER_ITEM)
    num_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    edges = user_item.indices() + torch.tensor([[num_users], [0]])
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    size = (num_users + num_items, num_users + num_items)
    matrices["user_item"] = sparse(edges, user_item.values().repeat(2), size)
    return matrices


def coo(data: HeteroData, edge_type: tuple[str, str, str]) -> Tensor:
    """Returns a prepared graph as a sparse COO matrix, rows the targets."""
    adjacency = data[edge_type].adj
    index = torch.stack([adjacency.row().long(), adjacency.col.long()])
    return sparse(index, adjacency.weight, adjacency.size)


def sparse(index: Tensor, values: Tensor, size: tuple[int, ...]) -> Tensor:
    """Returns a coalesced sparse COO matrix."""
    return torch.sparse_coo_tensor(index, values, size, check_invariants=False).coalesce()
