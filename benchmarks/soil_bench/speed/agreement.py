"""Compares our graphs and embeddings with those of the naive implementation.

Two items of a history are equally similar to one another, and if the cut of the second-order items
falls between them, either is right. The same holds for items of interest whose similarities to a
history differ only by rounding. Users with such ties are counted, and entries that depend on them
are left out of the comparison.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.speed import naive
from soil_bench.speed.inputs import load_graphs, load_matrices
from soil_bench.speed.naive_graphs import items_of_interest, sparse, unit
from soil_bench.speed.workloads import OPTIONS, make_fast
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.interest_items import InterestItems
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass
from soil_pyg.transforms.utils import unit_features
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, modalities_of
from soil_pyg.utils.progress import blocks

TOLERANCE = 1e-5
TIE = 1e-6
INTEREST_TIE = 1e-5
"""Sums of similarities that differ by less, relative to them, are equal up to rounding."""


def compare(graphs: str, naive_graphs: str) -> dict[str, Any]:
    """Counts the differing entries of the graphs, and measures the difference of embeddings."""
    data, expected = load_graphs(graphs), load_matrices(naive_graphs)
    found = fast_matrices(data)
    users, items = tied(data, found["aggregation"], expected["aggregation"])
    interested, owned = tied_interest(data, found, expected)
    num_users = data[USER].num_nodes
    result = {}
    for name, matrix in expected.items():
        difference = (found[name] - matrix).coalesce()
        row, column = difference.indices()
        if name == "aggregation":
            depends = torch.isin(row, users) & torch.isin(column, items)
        else:
            # Tied second-order items have the same value, so that only their own degrees depend on
            # the choice; that of items of interest changes the degrees of the history.
            nodes = items + num_users if name == "user_item" else owned
            depends = torch.isin(row, nodes) | torch.isin(column, nodes)
        values = difference.values()[~depends].abs()
        bound = TOLERANCE * (1 + float(matrix.values().abs().max()))
        result[name] = {
            "entries": values.numel(),
            "left_out": int(depends.sum()),
            "differing": int((values > bound).sum()),
            "tolerance": TOLERANCE,
            "largest": float(values.max()) if values.numel() > 0 else 0.0,
        }
    counts = {"tied_users": users.numel(), "tied_interest": interested.numel()}
    return {"graphs": result, **counts, "embeddings": compare_models(data)}


def compare_models(data: HeteroData) -> float:
    """Returns the largest difference of embeddings with the same parameters and graphs."""
    ours, other = make_fast(data, "cpu"), naive.NaiveSOIL(data, fast_matrices(data))
    other.load_state_dict(ours.state_dict())
    with torch.no_grad():
        pairs = zip(ours(data), other(), strict=True)
        return max(float((a - b).abs().max()) for a, b in pairs)


def tied(data: HeteroData, found: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the users whose second-order items differ because of a tie, and these items.

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
    """Returns whether the last second-order entry of a user equals the first one left out."""
    train_user, train_item = data[INTERACTS].edge_index
    items = train_item[train_user == user]
    rows = torch.stack([x[items] @ x.t() for x in features]).prod(dim=0)
    width = min(OPTIONS["k_a"] + items.numel(), rows.size(1))
    values = rows.flatten().topk(min(width + 1, rows.numel())).values
    return values.numel() > width and bool(values[width - 1] - values[width] <= TIE)


def tied_interest(
    data: HeteroData, found: dict[str, Tensor], expected: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Returns the users whose items of interest differ because of a tie, and their histories.

    Args:
        data (HeteroData): The data.
        found (dict[str, Tensor]): Our matrices.
        expected (dict[str, Tensor]): The naive ones.
    """
    names = modalities_of(data)
    user, item = data[INTERACTS].edge_index
    pairs = [(found[f"{m}_item_item"] - expected[f"{m}_item_item"]).coalesce() for m in names]
    changed = [pair.indices()[:, pair.values().abs() > TOLERANCE].flatten() for pair in pairs]
    suspects = user[torch.isin(item, torch.cat(changed))].unique()
    ours = fast_interest(data, suspects)
    features = {m: unit(data[ITEM][FEATURE_PREFIX + m], m) for m in names}
    users = []
    for block in blocks(suspects.numel(), 1, "comparing items of interest"):
        items = item[user == suspects[block.start]]
        mine = [ours[m][block.start] for m in names]
        other = [items_of_interest(features[m], items.tolist(), OPTIONS["k_i"]) for m in names]
        if set().union(*mine) != set().union(*other) and all(
            are_equally_good(features[m], items, mine[index] ^ other[index])
            for index, m in enumerate(names)
        ):
            users.append(int(suspects[block.start]))
    chosen = torch.tensor(users, dtype=torch.long)
    return chosen, item[torch.isin(user, chosen)].unique()


def fast_interest(data: HeteroData, users: Tensor) -> dict[str, list[set[int]]]:
    """Returns our items of interest of some users, in each modality."""
    if users.numel() == 0:
        return {}
    features = unit_features(data, None, ITEM)
    size = data[ITEM].num_nodes, data[USER].num_nodes
    history = Adjacency.from_edge_index(data[INTERACTS].edge_index.flip(0), size=size)
    history = history.select_rows(users)
    found = {m: InterestItems({m: x}, history, OPTIONS["k_i"]) for m, x in features.items()}
    SimilarityPass(features, SearchOptions("Flat")).run(*found.values())
    chosen = {}
    for modality, collector in found.items():
        rowptr, item = collector.finish()
        chosen[modality] = [
            set(part.tolist()) for part in torch.split(item, rowptr.diff().tolist())
        ]
    return chosen


def are_equally_good(c: Tensor, items: Tensor, candidates: set[int]) -> bool:
    """Returns whether candidates are equally similar to some items in total, up to rounding."""
    if not candidates:
        return True
    query = F.normalize(c[items].double()).sum(dim=0)
    totals = F.normalize(c[sorted(candidates)].double()) @ query
    return bool(totals.max() - totals.min() <= INTEREST_TIE * totals.abs().max())


def fast_matrices(data: HeteroData) -> dict[str, Tensor]:
    """Returns our graphs as the sparse matrices of the naive implementation."""
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
    """Returns a prepared graph as a sparse COO matrix whose rows are the targets."""
    adjacency = data[edge_type].adjacency
    index = torch.stack([adjacency.row().long(), adjacency.col.long()])
    return sparse(index, adjacency.weight, adjacency.size)
