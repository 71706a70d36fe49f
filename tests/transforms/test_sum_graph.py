import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.transforms import SumGraph, ToAdjacency, sum_graph

BOUGHT, VIEWED = ("user", "bought", "item"), ("user", "viewed", "item")
OUT = ("user", "knows", "item")


@pytest.fixture
def data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 2
    data[BOUGHT].edge_index = torch.tensor([[2, 0, 1], [1, 0, 1]])
    data[VIEWED].edge_index = torch.tensor([[0, 1], [1, 1]])
    data[VIEWED].norm_weight = torch.tensor([0.25, 0.5])
    return data


def test_sum_graph(data: HeteroData) -> None:
    out = SumGraph({BOUGHT: None, VIEWED: "norm_weight"}, OUT, scales=[1.0, 2.0])(data)
    assert out[OUT].edge_index.tolist() == [[0, 0, 1, 2], [0, 1, 1, 1]]
    assert out[OUT].edge_weight.tolist() == [1.0, 0.5, 2.0, 1.0]
    assert OUT not in data.edge_types


def test_all_scales_are_one_by_default(data: HeteroData) -> None:
    out = SumGraph({BOUGHT: None, VIEWED: "norm_weight"}, OUT)(data)
    assert out[OUT].edge_weight.tolist() == [1.0, 0.25, 1.5, 1.0]


@pytest.mark.parametrize("edges_at_once", [1, 3, 2**23])
@pytest.mark.parametrize("terms", [[BOUGHT], [VIEWED], [BOUGHT, VIEWED]])
@pytest.mark.parametrize("attr", [None, "norm_weight"])
def test_terms_held_as_matrix(
    monkeypatch: pytest.MonkeyPatch, edges_at_once: int, terms: list, attr: str | None
) -> None:
    monkeypatch.setattr(sum_graph, "EDGES_AT_ONCE", edges_at_once)
    data, generator = HeteroData(), torch.Generator().manual_seed(0)
    data["user"].num_nodes, data["item"].num_nodes = 6, 5
    for edge_type in (BOUGHT, VIEWED):
        edges = torch.rand(6, 5, generator=generator) < 0.4
        edges[:, 2] = False
        data[edge_type].edge_index = edges.t().nonzero().t().flip([0]).contiguous()
        data[edge_type].norm_weight = torch.rand(int(edges.sum()), generator=generator)
    transform = SumGraph({BOUGHT: attr, VIEWED: "norm_weight"}, OUT, scales=[1.0, 2.0])
    expected = ToAdjacency([OUT])(transform(data))[OUT].adjacency
    data = ToAdjacency(terms)(data)
    for edge_type in terms:
        del data[edge_type].edge_index
    out = transform(data)[OUT]
    assert out.adjacency.rowptr.equal(expected.rowptr)
    assert out.adjacency.col.equal(expected.col)
    torch.testing.assert_close(out.adjacency.weight, expected.weight)
    assert out.adjacency.size == (5, 6)


def test_sum_as_a_matrix(data: HeteroData) -> None:
    terms = {BOUGHT: None, VIEWED: "norm_weight"}
    expected = ToAdjacency([OUT])(SumGraph(terms, OUT)(data))[OUT].adjacency
    out = SumGraph(terms, OUT, to_adjacency=True)(data)[OUT]
    assert set(out.keys()) == {"adjacency", "edge_index", "edge_weight"}
    for name in ("rowptr", "col", "weight"):
        assert getattr(out.adjacency, name).equal(getattr(expected, name))
    assert out.adjacency.size == expected.size


def test_errors(data: HeteroData) -> None:
    with pytest.raises(ValueError, match=r"'scales'.*\(got 2\)"):
        SumGraph({BOUGHT: None}, OUT, scales=[1.0, 2.0])
    with pytest.raises(ValueError, match="'out'"):
        SumGraph({BOUGHT: None}, ("item", "knows", "item"))
    with pytest.raises(ValueError, match=r"\(.*'knows'.*\).*\[\(.*'bought'"):
        SumGraph({OUT: None}, OUT)(data)


def test_repr() -> None:
    assert str(SumGraph({BOUGHT: None}, OUT)) == (
        "SumGraph([('user', 'bought', 'item')], out=('user', 'knows', 'item'))"
    )
