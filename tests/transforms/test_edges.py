import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.transforms import edges
from soil_pyg.transforms.edges import (
    check_weight,
    count_edges,
    distinct_edges,
    edge_blocks,
    held,
    hold,
    is_held_as_matrix,
)

EDGE_TYPE = ("user", "interacts", "item")
EDGE_INDEX = torch.tensor([[2, 0, 1, 2, 0], [0, 1, 1, 1, 3]])
EDGE_WEIGHT = torch.tensor([0.5, 2.0, 3.0, 4.0, 5.0])


def make(as_matrix: bool) -> HeteroData:
    """Edges by (target, source), in either way; item 2 has none."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 4
    if as_matrix:
        adjacency = Adjacency.from_edge_index(EDGE_INDEX, EDGE_WEIGHT, size=(3, 4))
        data[EDGE_TYPE].adjacency = adjacency
    else:
        data[EDGE_TYPE].edge_index, data[EDGE_TYPE].edge_weight = EDGE_INDEX, EDGE_WEIGHT
    data[EDGE_TYPE].norm_weight = 10 * EDGE_WEIGHT
    return data


@pytest.mark.parametrize("as_matrix", [True, False])
def test_count_edges(as_matrix: bool) -> None:
    assert count_edges(make(as_matrix), EDGE_TYPE) == 5
    with pytest.raises(ValueError, match=r"\('item', 'similar', 'item'\)"):
        count_edges(make(as_matrix), ("item", "similar", "item"))


def test_is_held_as_matrix() -> None:
    data = make(as_matrix=True)
    assert is_held_as_matrix(data, EDGE_TYPE)
    data[EDGE_TYPE].edge_index = EDGE_INDEX
    assert not is_held_as_matrix(data, EDGE_TYPE)
    assert not is_held_as_matrix(make(as_matrix=False), EDGE_TYPE)
    other = ("item", "similar", "item")
    assert not is_held_as_matrix(data, other)
    assert other not in data.edge_types


@pytest.mark.parametrize("as_matrix", [True, False])
@pytest.mark.parametrize(
    ("attr", "expected"),
    [
        ("edge_weight", EDGE_WEIGHT),
        ("norm_weight", 10 * EDGE_WEIGHT),
        (None, torch.ones(5)),
    ],
)
def test_edge_blocks(as_matrix: bool, attr: str | None, expected: torch.Tensor) -> None:
    [(places, source, target, weight)] = edge_blocks(make(as_matrix), EDGE_TYPE, attr)
    assert places == slice(0, 5)
    assert source.dtype == target.dtype == torch.long
    assert torch.stack([source, target]).equal(EDGE_INDEX)
    assert weight.equal(expected)


def test_edges_without_weights() -> None:
    data = make(as_matrix=False)
    del data[EDGE_TYPE].edge_weight
    [(_, _, _, weight)] = edge_blocks(data, EDGE_TYPE)
    assert weight.tolist() == [1.0] * 5


def test_matrices_are_unpacked_in_blocks_of_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "EDGES_AT_ONCE", 2)
    blocks = list(edge_blocks(make(as_matrix=True), EDGE_TYPE, "norm_weight"))
    assert [block[0] for block in blocks] == [slice(0, 1), slice(1, 4), slice(4, 5)]
    source, target, weight = (torch.cat(part) for part in list(zip(*blocks, strict=True))[1:])
    assert torch.stack([source, target]).equal(EDGE_INDEX)
    assert weight.equal(10 * EDGE_WEIGHT)


def test_no_such_edges() -> None:
    data = make(as_matrix=True)
    match = r"\('item', 'similar', 'item'\).*\[\('user', 'interacts', 'item'\)\]$"
    with pytest.raises(ValueError, match=match):
        list(edge_blocks(data, ("item", "similar", "item")))


@pytest.mark.parametrize(
    ("edges", "kept"),
    [
        # By source, by target and by neither, each with and without repetitions.
        ([[0, 0, 1, 2], [1, 3, 0, 2]], [0, 1, 2, 3]),
        ([[0, 0, 1, 1], [1, 3, 3, 3]], [0, 1, 2]),
        ([[1, 2, 0, 1], [0, 0, 1, 3]], [0, 1, 2, 3]),
        ([[1, 1, 0, 1], [0, 0, 1, 3]], [0, 2, 3]),
        ([[2, 0, 1, 0], [3, 1, 0, 0]], [0, 1, 2, 3]),
        ([[2, 0, 2, 0, 2, 1], [3, 1, 3, 1, 0, 3]], [0, 1, 4, 5]),
        ([[], []], []),
    ],
)
def test_the_first_of_repeated_edges_stays(edges: list[list[int]], kept: list[int]) -> None:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 4
    store, edge_index = data[EDGE_TYPE], torch.tensor(edges, dtype=torch.long)
    store.edge_index, store.time = edge_index, torch.arange(edge_index.size(1)) * 10
    store.test_edge_label_index, store.mean = edge_index[:, :1], torch.tensor(1.5)
    assert distinct_edges(data, EDGE_TYPE).equal(edge_index[:, kept])
    assert store.edge_index.equal(edge_index[:, kept])
    assert store.time.tolist() == [10 * place for place in kept]
    assert store.test_edge_label_index.equal(edge_index[:, :1])
    assert store.mean == 1.5


def test_repeated_edges_with_weights_are_refused() -> None:
    data = make(as_matrix=False)
    assert distinct_edges(data, EDGE_TYPE).equal(EDGE_INDEX)
    data[EDGE_TYPE].edge_index = EDGE_INDEX[:, [0, 1, 2, 1, 4]]
    with pytest.raises(ValueError, match=r"'edge_index' of .* repeats an edge"):
        distinct_edges(data, EDGE_TYPE)


@pytest.mark.parametrize("as_matrix", [True, False])
def test_weights_are_one_finite_number_per_edge(as_matrix: bool) -> None:
    data = make(as_matrix)
    assert check_weight(data, EDGE_TYPE, "norm_weight") is data[EDGE_TYPE].norm_weight
    assert check_weight(data, EDGE_TYPE, "other") is None
    infinite = EDGE_WEIGHT.clone()
    infinite[2] = torch.inf
    wrong = [EDGE_WEIGHT[:4], EDGE_WEIGHT.unsqueeze(1), 3.0, infinite, EDGE_WEIGHT * torch.nan]
    for weight in wrong:
        data[EDGE_TYPE].other = weight
        with pytest.raises(ValueError, match=r"'other' of .*\(got"):
            check_weight(data, EDGE_TYPE, "other")
    data[EDGE_TYPE].other = torch.empty(5, device="meta")
    assert check_weight(data, EDGE_TYPE, "other") is data[EDGE_TYPE].other


OTHER = ("item", "similar", "item")


def hold_other(is_source: bool) -> HeteroData:
    """Interactions, and a graph of items that was made for them."""
    data = make(as_matrix=False)
    edge_index = torch.tensor([[1, 0, 3], [0, 2, 2]])
    matrix = Adjacency.from_edge_index(edge_index, torch.tensor([0.5, 0.25, 2.0]), size=(4, 4))
    hold(data, OTHER, matrix, is_source)
    assert held(data, OTHER) is matrix
    return data


def test_a_matrix_is_accompanied_by_the_edges_that_it_is_the_source_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "edge_index" not in hold_other(is_source=False)[OTHER]
    monkeypatch.setattr(edges, "EDGES_AT_ONCE", 3)
    store = hold_other(is_source=True)[OTHER]
    assert store.edge_index.tolist() == [[1, 0, 3], [0, 2, 2]]
    assert store.edge_weight.tolist() == [0.5, 0.25, 2.0]
    monkeypatch.setattr(edges, "EDGES_AT_ONCE", 2)
    data = hold_other(is_source=True)
    assert set(data[OTHER].keys()) == {"adjacency"}
    assert held(data, OTHER) is data[OTHER].adjacency
    # Edges that were there first stay the source.
    data = make(as_matrix=False)
    adjacency = Adjacency.from_edge_index(EDGE_INDEX, size=(3, 4))
    hold(data, EDGE_TYPE, adjacency, is_source=True)
    assert not adjacency.is_source
    assert data[EDGE_TYPE].edge_index is EDGE_INDEX


def test_a_matrix_fits_the_nodes_and_interactions_it_was_made_for() -> None:
    data = hold_other(is_source=False)
    data["user"].num_nodes = 5
    held(data, OTHER)
    data[EDGE_TYPE].edge_index = EDGE_INDEX.clone()
    held(data, OTHER)
    data[EDGE_TYPE].edge_index = EDGE_INDEX.flip(1)
    with pytest.raises(ValueError, match="made for other edges"):
        held(data, OTHER)
    del data[EDGE_TYPE].edge_index
    held(data, OTHER)
    data["item"].num_nodes = 5
    with pytest.raises(ValueError, match="made for 4 and 4 nodes, the data has 5 and 5"):
        held(data, OTHER)
    data[OTHER].adjacency = "matrix"
    with pytest.raises(ValueError, match="'matrix'"):
        held(data, OTHER)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("edge_index", torch.tensor([[1, 0], [0, 2]])),
        ("edge_index", torch.tensor([[1, 0, 2], [0, 2, 2]])),
        ("edge_index", torch.tensor([[1, 0, 3], [0, 2, 3]])),
        ("edge_weight", torch.tensor([0.5, 0.25, 1.0])),
        ("edge_weight", None),
    ],
)
def test_a_matrix_has_the_edges_that_accompany_it(name: str, value: torch.Tensor | None) -> None:
    data = hold_other(is_source=True)
    data[OTHER].edge_index = data[OTHER].edge_index.clone()
    data[OTHER].edge_weight = data[OTHER].edge_weight.clone()
    held(data, OTHER)
    data[OTHER][name] = value
    with pytest.raises(ValueError, match="are not those of its matrix"):
        held(data, OTHER)
