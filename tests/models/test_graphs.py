import re

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import adjacency, features, prepared, with_graphs
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.transforms import ToAdjacency

BUYS = ("user", "buys", "item")


def make() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes = 1
    data["item"].x_image = torch.ones(2, 3)
    data[BUYS].edge_index = torch.tensor([[0, 0], [0, 1]])
    return data


def test_what_is_there_is_returned() -> None:
    data = make()
    data[BUYS].adjacency = Adjacency.from_edge_index(data[BUYS].edge_index, size=(1, 2))
    assert adjacency(data, BUYS) is data[BUYS].adjacency
    assert prepared(data, BUYS, "edge_index").edge_index is data[BUYS].edge_index
    assert features(data, "image") is data["item"].x_image


def test_graphs_that_were_not_prepared() -> None:
    data = make()
    for edge_type in (BUYS, ("item", "image_item_item", "item")):
        match = f"{re.escape(str(edge_type))}.*'graph_transform"
        with pytest.raises(ValueError, match=match):
            adjacency(data, edge_type)
        with pytest.raises(ValueError, match=match):
            prepared(data, edge_type, "edge_weight")
    assert data.edge_types == [BUYS]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tiny_values_become_zeros(dtype: torch.dtype) -> None:
    data = make()
    data["item"].x_image = torch.tensor([[0.5, 5e-38, -2e-35], [0.0, -5e-38, 1e-20]], dtype=dtype)
    found = features(data, "image")
    assert found.tolist() == [[0.5, 0.0, 0.0], [0.0, 0.0, data["item"].x_image[1, 2].item()]]
    assert found.dtype == dtype
    assert features(data, "image") is found
    assert data["item"].x_image[0, 1] != 0


def test_half_precision_and_integers_are_left_alone() -> None:
    """The least number of half precision, 6e-8, is not tiny."""
    data = make()
    for x in (torch.tensor([[6e-8], [0.0]], dtype=torch.float16), torch.ones(2, 1, dtype=int)):
        data["item"].x_image = x
        assert features(data, "image") is x


def test_features_that_are_missing() -> None:
    with pytest.raises(ValueError, match=r"'in_channels'.*'audio'.*\['image'\]"):
        features(make(), "audio")


def test_graphs_are_built_only_if_they_are_missing() -> None:
    data = make()
    built = with_graphs(data, BUYS, lambda: ToAdjacency([BUYS]))
    assert adjacency(built, BUYS).to_dense().tolist() == [[1.0], [1.0]]

    def refuse() -> ToAdjacency:
        raise AssertionError("the graphs were built again")

    assert with_graphs(built, BUYS, refuse) is built
