import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.transforms import edges
from soil_pyg.transforms.edges import (
    count_edges,
    edge_blocks,
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
