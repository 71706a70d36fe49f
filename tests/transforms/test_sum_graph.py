import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
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
@pytest.mark.parametrize("terms", [[], [BOUGHT], [VIEWED], [BOUGHT, VIEWED]])
@pytest.mark.parametrize("attr", [None, "norm_weight"])
def test_sum_in_blocks(
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
    expected = torch.zeros(5, 6)
    for edge_type, name, scale in (BOUGHT, attr, 1.0), (VIEWED, "norm_weight", 2.0):
        for edge, (source, target) in enumerate(data[edge_type].edge_index.t().tolist()):
            expected[target, source] += scale * (data[edge_type][name][edge] if name else 1.0)
    data = ToAdjacency(terms)(data)
    for edge_type in terms:
        del data[edge_type].edge_index
    scales = [1.0, 2.0]
    out = SumGraph({BOUGHT: attr, VIEWED: "norm_weight"}, OUT, scales, to_adjacency=True)(data)
    matrix = out[OUT].adjacency
    assert matrix.col.numel() == int((expected > 0).sum())
    torch.testing.assert_close(matrix.to_dense(), expected)


def test_weights_of_a_matrix_without_edges(data: HeteroData) -> None:
    data = ToAdjacency([VIEWED], "norm_weight")(data)
    del data[VIEWED].edge_index
    out = SumGraph({VIEWED: "edge_weight"}, OUT, scales=[2.0])(data)
    assert out[OUT].adjacency.to_dense().tolist() == [[0.0, 0.0, 0.0], [0.5, 1.0, 0.0]]


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
    with pytest.raises(ValueError, match=r"'terms'.*'viewed'.*'norm_wieght'"):
        SumGraph({BOUGHT: None, VIEWED: "norm_wieght"}, OUT)(data)
    held = ToAdjacency([VIEWED], attr="norm_weight")(data)
    with pytest.raises(ValueError, match=r"'terms'.*'viewed'.*'norm_wieght'"):
        SumGraph({VIEWED: "norm_wieght"}, OUT)(held)
    assert SumGraph({BOUGHT: "edge_weight"}, OUT)(data)[OUT].edge_weight.tolist() == [1, 1, 1]


def test_repr() -> None:
    assert str(SumGraph({BOUGHT: None}, OUT)) == (
        "SumGraph([('user', 'bought', 'item')], out=('user', 'knows', 'item'))"
    )


test_wrong_arguments = wrong_arguments("SumGraph")
