import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import ToAdjacency

EDGE_TYPE = ("user", "interacts", "item")


@pytest.fixture
def data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 2
    data[EDGE_TYPE].edge_index = torch.tensor([[2, 0], [1, 0]])
    return data


def test_to_adjacency(data: HeteroData) -> None:
    out = ToAdjacency([EDGE_TYPE])(data)
    assert out[EDGE_TYPE].adjacency.to_dense().tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    data[EDGE_TYPE].norm_weight = torch.tensor([0.5, 2.0])
    out = ToAdjacency([EDGE_TYPE], attr="norm_weight")(data)
    assert out[EDGE_TYPE].adjacency.to_dense().tolist() == [[2.0, 0.0, 0.0], [0.0, 0.0, 0.5]]


def test_it_moves_with_the_data(data: HeteroData) -> None:
    out = ToAdjacency([EDGE_TYPE])(data).to("cpu")
    assert out[EDGE_TYPE].adjacency.weight.device.type == "cpu"
    out = ToAdjacency([EDGE_TYPE])(data).to("meta")
    assert out[EDGE_TYPE].adjacency.weight.device.type == "meta"
    assert out[EDGE_TYPE].adjacency.col.device.type == "meta"


def test_edges_held_as_matrix_stay_as_they_are(data: HeteroData) -> None:
    held = ToAdjacency([EDGE_TYPE])(data)
    del held[EDGE_TYPE].edge_index
    assert (
        ToAdjacency([EDGE_TYPE], attr="norm_weight")(held)[EDGE_TYPE].adjacency
        is held[EDGE_TYPE].adjacency
    )


def test_edges_are_held_anew(data: HeteroData) -> None:
    held = ToAdjacency([EDGE_TYPE])(data)
    held[EDGE_TYPE].edge_index = torch.tensor([[1], [0]])
    assert ToAdjacency([EDGE_TYPE])(held)[EDGE_TYPE].adjacency.to_dense().tolist() == [
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0],
    ]


def test_errors(data: HeteroData) -> None:
    match = r"\('item', 'similar', 'item'\).*\[\('user', 'interacts', 'item'\)\]$"
    with pytest.raises(ValueError, match=match):
        ToAdjacency([("item", "similar", "item")])(data)


def test_repr() -> None:
    assert str(ToAdjacency([EDGE_TYPE])) == "ToAdjacency([('user', 'interacts', 'item')])"


test_wrong_arguments = wrong_arguments("ToAdjacency")
