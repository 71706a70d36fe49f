from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import InterestGraph, NormalizeGraph, ToAdjacency, edges

SQUARE = ("item", "image_similar", "item")
BIPARTITE = ("user", "interacts", "item")


def dense(data: HeteroData, edge_type: tuple[str, str, str], attr: str) -> torch.Tensor:
    """The matrix with rows the targets."""
    size = data[edge_type[2]].num_nodes, data[edge_type[0]].num_nodes
    out = torch.zeros(size, dtype=torch.double)
    source, target = data[edge_type].edge_index
    out[target, source] = data[edge_type][attr].double()
    return out


def inverse_root(degree: torch.Tensor) -> torch.Tensor:
    return torch.where(degree > 0, degree, torch.inf).rsqrt()


@pytest.fixture
def square(random_data: Callable) -> HeteroData:
    return InterestGraph(k_i=3)(random_data(0))


@pytest.fixture
def bipartite() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 4, 3
    data[BIPARTITE].edge_index = torch.tensor([[0, 0, 1, 3], [0, 2, 2, 2]])
    data[BIPARTITE].edge_weight = torch.tensor([1.0, 2.0, 0.5, 4.0])
    return data


def test_sym_takes_row_sums_on_both_sides(square: HeteroData) -> None:
    edge_type = ("item", "image_interest", "item")
    weight = dense(square, edge_type, "edge_weight")
    factor = inverse_root(weight.sum(dim=1))
    expected = factor[:, None] * weight * factor
    out = dense(NormalizeGraph([edge_type])(square), edge_type, "norm_weight")
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


def test_sym_of_a_bipartite_graph_is_that_of_the_symmetric_matrix(bipartite: HeteroData) -> None:
    block = dense(bipartite, BIPARTITE, "edge_weight")
    weight = torch.zeros(7, 7, dtype=torch.double)
    weight[4:, :4], weight[:4, 4:] = block, block.t()
    factor = inverse_root(weight.sum(dim=1))
    expected = (factor[:, None] * weight * factor)[4:, :4]
    out = dense(NormalizeGraph([BIPARTITE])(bipartite), BIPARTITE, "norm_weight")
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


def test_row(bipartite: HeteroData) -> None:
    out = NormalizeGraph([BIPARTITE], norm="row", attr="mean_weight")(bipartite)
    assert out[BIPARTITE].mean_weight.tolist() == pytest.approx([1.0, 2 / 6.5, 0.5 / 6.5, 4 / 6.5])


def test_sym_user_index_gives_item_j_the_factor_of_user_j(bipartite: HeteroData) -> None:
    out = NormalizeGraph([BIPARTITE], norm="sym_user_index")(bipartite)
    # User 2 has no edges, so the factor of item 2 is zero.
    assert out[BIPARTITE].norm_weight.tolist() == pytest.approx([1 / 3, 0.0, 0.0, 0.0])


def test_edges_without_weights_weigh_one(bipartite: HeteroData) -> None:
    del bipartite[BIPARTITE].edge_weight
    out = NormalizeGraph([BIPARTITE])(bipartite)
    expected = [0.5**0.5, 6**-0.5, 3**-0.5, 3**-0.5]
    assert out[BIPARTITE].norm_weight.tolist() == pytest.approx(expected)


def test_floor(bipartite: HeteroData) -> None:
    weight = NormalizeGraph([BIPARTITE])(bipartite)[BIPARTITE].norm_weight
    out = NormalizeGraph([BIPARTITE], min_weight=0.5)(bipartite)[BIPARTITE].norm_weight
    assert torch.equal(out, weight.clamp(min=0.5))
    assert (weight < 0.5).any()


def test_a_degree_that_is_not_positive_names_the_option(bipartite: HeteroData) -> None:
    bipartite[BIPARTITE].edge_weight = torch.tensor([1.0, -2.0, 0.5, 4.0])
    message = r"node 0 of .*'interacts'.* -1, .*negative='drop'"
    with pytest.raises(ValueError, match=message):
        NormalizeGraph([BIPARTITE])(bipartite)


def test_more_items_than_users_names_the_option() -> None:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 2, 3
    data[BIPARTITE].edge_index = torch.tensor([[0], [0]])
    with pytest.raises(ValueError, match=r"norm='sym_user_index' .* \(got 2 and 3\)"):
        NormalizeGraph([BIPARTITE], norm="sym_user_index")(data)


def test_a_graph_that_the_data_lacks(bipartite: HeteroData) -> None:
    with pytest.raises(ValueError, match=r"\('item'.*\[\('user'"):
        NormalizeGraph([SQUARE])(bipartite)


def test_the_order_of_edges_does_not_matter(square: HeteroData) -> None:
    edge_type = ("item", "text_interest", "item")
    weight = NormalizeGraph([edge_type])(square)[edge_type].norm_weight
    perm = torch.randperm(weight.numel())
    square[edge_type].edge_index = square[edge_type].edge_index[:, perm]
    square[edge_type].edge_weight = square[edge_type].edge_weight[perm]
    assert torch.equal(NormalizeGraph([edge_type])(square)[edge_type].norm_weight, weight[perm])


@pytest.mark.parametrize("edges_at_once", [1, 5, 2**23])
@pytest.mark.parametrize("norm", ["sym", "row", "sym_user_index"])
@pytest.mark.parametrize("min_weight", [0.0, 0.3])
def test_edges_held_as_matrix(
    square: HeteroData,
    bipartite: HeteroData,
    monkeypatch: pytest.MonkeyPatch,
    edges_at_once: int,
    norm: str,
    min_weight: float,
) -> None:
    monkeypatch.setattr(edges, "EDGES_AT_ONCE", edges_at_once)
    graphs = [(square, ("item", "image_interest", "item")), (bipartite, BIPARTITE)]
    for data, edge_type in graphs:
        transform = NormalizeGraph([edge_type], norm, min_weight)
        expected = ToAdjacency([edge_type], attr="norm_weight")(transform(data))[
            edge_type
        ].adjacency
        held = ToAdjacency([edge_type])(data)
        del held[edge_type].edge_index, held[edge_type].edge_weight
        assert transform(held)[edge_type].norm_weight.equal(expected.weight)
        assert "norm_weight" not in held[edge_type]


def test_repr() -> None:
    assert str(NormalizeGraph([SQUARE])) == "NormalizeGraph(norm='sym', min_weight=0.0)"


test_wrong_arguments = wrong_arguments("NormalizeGraph")
