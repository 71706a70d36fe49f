"""Operations of PyG on data with prepared graphs: models get the right graphs or say no."""

import contextlib
import copy
import pickle
from collections.abc import Callable

import pytest
import torch
import torch_geometric.transforms as T
from torch import Tensor
from torch_geometric.data import Batch, HeteroData
from torch_geometric.loader import DataLoader
from torch_geometric.loader.utils import filter_hetero_data

from soil_pyg.models import (
    DAMRS,
    FREEDOM,
    GUME,
    LATTICE,
    MGCN,
    MMGF,
    PGL,
    SOIL,
    ItemKNN,
    LGMRec,
    LightGCN,
    Recommender,
)
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.nn import Adjacency
from soil_pyg.transforms import edges
from soil_pyg.typing import INTERACTS, ITEM, USER

NUM_USERS, NUM_ITEMS = 6, 5
EDGES = torch.tensor([(u, i) for u in range(6) for i in range(5) if (u * 2 + i) % 3 != 0]).t()
GRAPHS = {
    SOIL: {"k": 2, "k_i": 2, "k_a": 1},
    LightGCN: {},
    DAMRS: {"k": 2},
    FREEDOM: {"k": 2},
    GUME: {"k": 2},
    LATTICE: {"k": 2},
    MGCN: {"k": 2},
    PGL: {"k": 2, "mode": "global", "rank": 8},
    LGMRec: {},
    ItemKNN: {"k": 2},
    MMGF: {"k": 2},
}
EVERYTHING = {USER: torch.arange(NUM_USERS), ITEM: torch.arange(NUM_ITEMS)}


def plain() -> HeteroData:
    data = HeteroData()
    data[USER].x = torch.eye(NUM_USERS)
    data[ITEM].num_nodes = NUM_ITEMS
    data[ITEM].x_text = torch.rand(NUM_ITEMS, 3, generator=torch.Generator().manual_seed(0))
    data[INTERACTS].edge_index = EDGES.clone()
    return data


def with_graphs(cls: type[Recommender], data: HeteroData) -> HeteroData:
    return cls.graph_transform(**GRAPHS[cls])(data)


def embed(cls: type[Recommender], data: HeteroData) -> list[Tensor]:
    torch.manual_seed(0)
    model = cls(NUM_USERS, NUM_ITEMS, {"text": 3}).eval()
    with torch.no_grad():
        return [emb.to_dense() for emb in model(data)]


def sampled(data: HeteroData, nodes: dict[str, Tensor]) -> HeteroData:
    """Returns what PyG's loaders make of sampled nodes and no edges between them."""
    none = torch.empty(0, dtype=torch.long)
    edges = dict.fromkeys(data.edge_types, none)
    return filter_hetero_data(data, nodes, dict(edges), dict(edges), dict(edges))


# Operations after which all graphs still fit.
SAME: dict[str, Callable[[HeteroData], HeteroData]] = {
    "to": lambda data: data.to("cpu"),
    "cpu": lambda data: data.cpu(),
    "contiguous": lambda data: data.contiguous(),
    "clone": lambda data: data.clone(),
    "detach": lambda data: data.detach(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda data: pickle.loads(pickle.dumps(data)),  # noqa: S301 (workers of loaders do)
    "share_memory_": lambda data: data.share_memory_(),
    "dict": lambda data: HeteroData.from_dict(data.to_dict()),
    "update": lambda data: HeteroData().update(data),
    "to_data_list": lambda data: Batch.from_data_list([data, data]).to_data_list()[1],
    "subgraph": lambda data: data.subgraph(EVERYTHING),
}

# Operations that keep the interactions, but may sort or add edges of other graphs.
SORTED: dict[str, Callable[[HeteroData], HeteroData]] = {
    "ToUndirected": T.ToUndirected(),
    "coalesce": lambda data: data.clone().coalesce(),
    "sort": lambda data: data.clone().sort(),
}

# Operations that change nodes or interactions, whose graphs are stale.
CHANGED: dict[str, Callable[[HeteroData], HeteroData]] = {
    "subgraph of users": lambda data: data.subgraph({USER: torch.arange(4)}),
    "subgraph of items": lambda data: data.subgraph({ITEM: torch.tensor([True] * 4 + [False])}),
    "permuted": lambda data: data.subgraph({ITEM: torch.tensor([1, 0, 2, 3, 4])}),
    "edge_subgraph": lambda data: data.edge_subgraph({INTERACTS: torch.arange(9)}),
    "RandomLinkSplit": lambda data: T.RandomLinkSplit(
        num_val=0.2, num_test=0.2, edge_types=INTERACTS, add_negative_train_samples=False
    )(data)[0],
    "ToSparseTensor": T.ToSparseTensor(layout=torch.sparse_csr, remove_edge_index=False),
    "Batch": lambda data: Batch.from_data_list([data, data]),
    "Batch of one": lambda data: Batch.from_data_list([data]),
    "DataLoader": lambda data: next(iter(DataLoader([data, data], batch_size=2))),
    "loader": lambda data: sampled(data, {USER: torch.arange(3), ITEM: torch.arange(2)}),
    "loader of all nodes": lambda data: sampled(data, dict(EVERYTHING)),
}


@pytest.mark.parametrize("cls", GRAPHS)
@pytest.mark.parametrize("name", SAME)
def test_operations_that_keep_the_graphs(name: str, cls: type[Recommender]) -> None:
    data = with_graphs(cls, plain())
    expected = embed(cls, data)
    changed = SAME[name](data)
    assert all(torch.equal(*pair) for pair in zip(embed(cls, changed), expected, strict=True))
    # The transform can be applied again.
    again = embed(cls, with_graphs(cls, changed))
    assert all(torch.equal(*pair) for pair in zip(again, expected, strict=True))


@pytest.mark.parametrize("cls", GRAPHS)
@pytest.mark.parametrize("name", SORTED)
def test_operations_that_sort_edges(name: str, cls: type[Recommender]) -> None:
    data = with_graphs(cls, plain())
    expected = embed(cls, data)
    changed = SORTED[name](data)
    found = []
    with contextlib.suppress(ValueError):
        found = embed(cls, changed)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=found != []))
    again = embed(cls, with_graphs(cls, changed))
    assert all(torch.equal(*pair) for pair in zip(again, expected, strict=True))


@pytest.mark.parametrize("cls", GRAPHS)
@pytest.mark.parametrize("name", CHANGED)
def test_operations_that_make_the_graphs_stale(name: str, cls: type[Recommender]) -> None:
    changed = CHANGED[name](with_graphs(cls, plain()))
    with pytest.raises(ValueError, match=r"graph_transform|'(x|data)' must have"):
        embed(cls, changed)


@pytest.mark.parametrize("name", ["permuted", "edge_subgraph"])
def test_graphs_of_changed_data_are_right_once_they_are_made_again(name: str) -> None:
    changed = with_graphs(SOIL, CHANGED[name](with_graphs(SOIL, plain())))
    expected = with_graphs(SOIL, CHANGED[name](plain()))
    matrices = {
        edge_type: store.adjacency.to_dense()
        for edge_type, store in expected.edge_items()
        if "adjacency" in store
    }
    assert len(matrices) == 3
    for edge_type, matrix in matrices.items():
        assert changed[edge_type].adjacency.to_dense().equal(matrix)


@pytest.mark.parametrize("cls", GRAPHS)
def test_questions_that_pyg_answers(cls: type[Recommender]) -> None:
    data = with_graphs(cls, plain())
    assert data.validate()
    assert data.is_sorted(sort_by_row=True) in (True, False)
    assert data.is_coalesced() in (True, False)
    assert data[INTERACTS].size() == (NUM_USERS, NUM_ITEMS)
    assert data[INTERACTS].num_edges == EDGES.size(1)
    assert not data[INTERACTS].has_isolated_nodes()
    assert "adjacency=Adjacency(" in repr(data)
    assert data.num_edges == sum(store.edge_index.size(1) for store in data.edge_stores)
    assert data.has_isolated_nodes() in (True, False)
    assert data.is_undirected() is False
    assert data.has_self_loops() in (True, False)
    assert data.to_homogeneous().num_nodes == NUM_USERS + NUM_ITEMS


def test_matrices_are_accompanied_by_their_edges_unless_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = with_graphs(SOIL, plain())
    for edge_type in (USER_ITEM, AGGREGATION, item_item("text")):
        store = data[edge_type]
        size = store.size()
        of_edges = Adjacency.from_edge_index(store.edge_index, store.edge_weight, size)
        assert of_edges.to_dense().equal(store.adjacency.to_dense())
    expected = embed(SOIL, data)
    for changed in ("edge_index", "edge_weight"):
        other = copy.copy(data)
        other[USER_ITEM][changed] = other[USER_ITEM][changed].flip(-1)
        with pytest.raises(ValueError, match="graph_transform"):
            embed(SOIL, other)
    monkeypatch.setattr(edges, "EDGES_AT_ONCE", 2)
    data = with_graphs(SOIL, data)
    assert "edge_index" not in data[USER_ITEM]
    assert "edge_weight" not in data[USER_ITEM]
    assert all(torch.equal(*pair) for pair in zip(embed(SOIL, data), expected, strict=True))


def test_methods_named_like_those_of_tensors() -> None:
    matrix = Adjacency.from_edge_index(EDGES, torch.rand(EDGES.size(1)), (NUM_USERS, NUM_ITEMS))
    matrix.t()
    for out in (matrix.clone(), matrix.to(torch.float64), matrix.detach(), matrix.cpu()):
        assert isinstance(out, Adjacency)
        assert out.size == matrix.size
        assert out.col.equal(matrix.col)
        torch.testing.assert_close(out.to_dense(), matrix.to_dense().to(out.weight.dtype))
        torch.testing.assert_close(out.t().to_dense(), out.to_dense().t())
    assert matrix.to(torch.float64).weight.dtype == torch.float64
    assert matrix.clone().weight.data_ptr() != matrix.weight.data_ptr()
    assert matrix.share_memory_().col.is_shared()
