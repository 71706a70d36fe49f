from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.models import (
    BM3,
    DAMRS,
    FREEDOM,
    GUME,
    LATTICE,
    MGCN,
    PGL,
    SOIL,
    VBPR,
    LGMRec,
    Recommender,
    SLMRec,
)
from soil_pyg.transforms import CoOccurrenceGraph
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets
from soil_pyg.utils import data_checks
from soil_pyg.utils.data_checks import check_edges, check_features, count_nodes, digest_edges

EDGES = torch.tensor([[0, 0, 1, 2, 3, 3], [0, 1, 1, 2, 2, 0]])
NAN, INF = float("nan"), float("inf")
MODELS = [BM3, DAMRS, FREEDOM, GUME, LATTICE, LGMRec, MGCN, PGL, SLMRec, SOIL, VBPR]


def make(edges: Any = EDGES, text: Any = None) -> HeteroData:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 4, 3
    data[INTERACTS].edge_index = edges
    x = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    data[ITEM].x_text = x if text is None else text
    return data


@pytest.mark.parametrize(
    ("store", "count"),
    [
        ({"num_nodes": 4}, 4),
        ({"num_nodes": torch.tensor(4)}, 4),
        ({"x": torch.ones(5, 2)}, 5),
        ({"x_text": torch.ones(6, 2)}, 6),
        ({"num_nodes": 4, "x_text": torch.ones(6, 2)}, 4),
    ],
)
@pytest.mark.filterwarnings("error")
def test_count_nodes(store: dict[str, Any], count: int) -> None:
    assert count_nodes(HeteroData({ITEM: store}), ITEM) == count


@pytest.mark.parametrize("store", [{"num_nodes": -1}, {"num_nodes": 1.5}, {"id": ["a"]}, {}])
def test_an_unknown_number_of_nodes(store: dict[str, Any]) -> None:
    data = HeteroData({ITEM: store} if store else {})
    with pytest.raises(ValueError, match=r"data\['item'\]\.num_nodes"):
        count_nodes(data, ITEM)
    assert data.node_types == ([ITEM] if store else [])


@pytest.mark.parametrize(
    "edges",
    [
        EDGES,
        EDGES.int(),
        EDGES.to(torch.uint8),
        EDGES.t().contiguous().t(),
        EdgeIndex(EDGES, sparse_size=(4, 3)),
        EDGES[:, :0],
    ],
)
def test_lawful_edges(edges: Tensor) -> None:
    found = check_edges(make(edges))
    assert type(found) is Tensor
    assert found.dtype == torch.long
    assert found.tolist() == edges.tolist()
    expected = CoOccurrenceGraph(k=2)(make(EDGES[:, : edges.size(1)]))["item", "item"]
    ours = CoOccurrenceGraph(k=2)(make(edges))["item", "item"]
    assert ours.edge_index.equal(expected.edge_index)
    assert ours.edge_weight.equal(expected.edge_weight)


WRONG_EDGES = [
    None,
    EDGES.tolist(),
    EDGES.float(),
    EDGES.bool(),
    EDGES.t(),
    EDGES[0],
    EDGES.to_sparse(),
    torch.tensor([[0], [3]]),
    torch.tensor([[4], [0]]),
    torch.tensor([[-1], [0]]),
]


@pytest.mark.parametrize("edges", WRONG_EDGES)
@pytest.mark.parametrize("model", [SOIL, LGMRec, FREEDOM])
def test_wrong_edges(edges: Any, model: type[Recommender]) -> None:
    for read in (check_edges, CoOccurrenceGraph(), model.graph_transform()):
        with pytest.raises(ValueError, match=r"'edge_index' of \('user', 'interacts', 'item'\)"):
            read(make(edges))


def test_edges_are_checked_again_once_they_change() -> None:
    data = make(EDGES.clone())
    digest = digest_edges(data)
    check_edges(data)
    data[INTERACTS].edge_index[1, 0] = 2
    assert digest_edges(data) != digest
    data[INTERACTS].edge_index[1, 0] = 3
    with pytest.raises(ValueError, match="node 3 of type 'item'"):
        check_edges(data)


def test_digest_of_the_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [EDGES.flip(1), EDGES[:, :5], EDGES[:, [1, 0, 2, 3, 4, 5]], EDGES[:, :0]]
    digests = [digest_edges(make(edges)) for edges in (EDGES, *others)]
    assert len(set(digests)) == 5
    assert digest_edges(make(EDGES.int())) == digests[0]
    monkeypatch.setattr(data_checks, "EDGES_PER_BLOCK", 4)
    assert digest_edges(make(EDGES.clone())) == digests[0]
    assert digest_edges(HeteroData()) is None


X = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
WRONG_FEATURES = [
    X[:2],
    X.repeat(2, 1),
    X[:, 0],
    X.unsqueeze(0),
    X[:, :0],
    X.tolist(),
    X.numpy(),
    X.to_sparse(),
    X.to(torch.complex64),
    X.index_fill(0, torch.tensor([1]), NAN),
    X.index_fill(0, torch.tensor([1]), INF),
]


@pytest.mark.parametrize("text", WRONG_FEATURES)
def test_wrong_features(text: Any) -> None:
    with pytest.raises(ValueError, match="'x_text' of 'item'"):
        check_features(make(text=text), "text")
    with pytest.raises(ValueError, match="'x_text' of 'item'"):
        SOIL.graph_transform(k=2)(make(text=text))


@pytest.mark.parametrize("text", [*WRONG_FEATURES, torch.rand(3, 4)])
@pytest.mark.parametrize("model", MODELS)
def test_models_refuse_wrong_features(model: type[Recommender], text: Any) -> None:
    data = model.graph_transform()(make())
    ours = model(4, 3, {"text": 2})
    batch = Triplets(*torch.tensor([[0], [0], [2]]))
    ours.loss(data, batch)
    data[ITEM].x_text = text
    ours.on_epoch_start(data)
    with pytest.raises(ValueError, match="'x_text' of 'item'"):
        ours.loss(data, batch)


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]
)
@pytest.mark.parametrize("model", MODELS)
def test_features_of_other_types_are_those_in_single_precision(
    model: type[Recommender], dtype: torch.dtype
) -> None:
    text = (X * 10).to(dtype)
    outputs = []
    for x in (text, text.float()):
        torch.manual_seed(0)
        ours = model(4, 3, {"text": 2}).eval()
        outputs.append(ours(model.graph_transform()(make(text=x))))
    assert all(torch.equal(*pair) for pair in zip(*outputs, strict=True))


@pytest.mark.parametrize("transform", [CoOccurrenceGraph(), SOIL.graph_transform()])
def test_data_without_items(transform: BaseTransform) -> None:
    data = make(EDGES[:, :0], torch.rand(0, 2))
    data[ITEM].num_nodes = 0
    with pytest.raises(ValueError, match=r"'x_text' of 'item'|data\['item'\]\.num_nodes"):
        transform(data)


def test_a_model_of_other_items() -> None:
    for model in MODELS:
        data = model.graph_transform()(make())
        batch = Triplets(*torch.tensor([[0], [0], [2]]))
        with pytest.raises(ValueError, match=r"'(data|x)' must have .*\b5\b"):
            model(4, 5, {"text": 2}).loss(data, batch)


def test_large_finite_features_are_finite() -> None:
    x = torch.full((3, 2), torch.finfo(torch.float64).max, dtype=torch.float64)
    assert check_features(make(text=x), "text") is x
