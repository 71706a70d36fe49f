import re

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import (
    UNWEIGHTED,
    SimilarItemGraphs,
    adjacency,
    distinct_interactions,
    features,
    normalized_interactions,
    prepared,
    similar,
    sparse_embeddings,
    unweighted_interactions,
    with_graphs,
)
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.transforms import ToAdjacency
from soil_pyg.typing import INTERACTS

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


@pytest.mark.parametrize(
    ("options", "name"), [({"channels": 4}, "'x_image'"), ({"num_items": 3}, "'data'")]
)
def test_features_of_another_size(options: dict[str, int], name: str) -> None:
    assert features(make(), "image", channels=3, num_items=2).size() == (2, 3)
    with pytest.raises(ValueError, match=name):
        features(make(), "image", **options)


def repeated() -> HeteroData:
    """Three users, the last without interactions, and four items; one pair occurs twice."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 4
    data[INTERACTS].edge_index = torch.tensor([[1, 0, 1, 0, 1], [3, 2, 0, 1, 3]])
    return data


def test_interactions_once_each() -> None:
    found = distinct_interactions(repeated(), (3, 4))
    assert found.tolist() == [[0, 0, 1, 1], [1, 2, 0, 3]]
    with pytest.raises(ValueError, match="node 3"):
        distinct_interactions(repeated(), (3, 3))


def test_scores_are_sums_over_the_items_of_a_user() -> None:
    data, graph = repeated(), ("item", "graph", "item")
    edge_index, weight = torch.tensor([[0, 1, 3, 2], [1, 0, 2, 2]]), torch.arange(4) + 0.5
    data[graph].adjacency = Adjacency.from_edge_index(edge_index, weight, size=(4, 4))
    user_emb, item_emb = sparse_embeddings(data, graph, (3, 4))
    assert (user_emb.is_coalesced(), item_emb.is_coalesced()) == (True, True)
    expected = torch.zeros(3, 4)
    for user, item in {(1, 3), (0, 2), (1, 0), (0, 1)}:
        for (source, target), value in zip(edge_index.t().tolist(), weight, strict=True):
            expected[user, target] += value * (source == item)
    assert (user_emb.to_dense() @ item_emb.to_dense().t()).equal(expected)


def test_graphs_of_the_interactions() -> None:
    data = repeated()
    matrix = adjacency(unweighted_interactions()(data), UNWEIGHTED).to_dense()
    assert matrix.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]
    found = adjacency(normalized_interactions()(data), INTERACTS).to_dense()
    torch.testing.assert_close(found, matrix / 2**0.5)


class Graphs(SimilarItemGraphs):
    def forward(self, data: HeteroData) -> HeteroData:
        return self.similarity_graph(data)


def test_graphs_of_similar_items() -> None:
    data = make()
    data["item"].x_text = torch.ones(2, 1)
    assert similar("text") == ("item", "text_similar", "item")
    assert Graphs().names(data) == ["image", "text"]
    graphs = Graphs(3, ["text"], "keep", memory_budget=5)
    assert graphs.names(data) == ["text"]
    graph = graphs.similarity_graph
    options = graph.search_options.memory_budget
    assert (graph.k, graph.modalities, graph.negative, options) == (3, ["text"], "keep", 5)
    assert str(graphs) == f"Graphs({graph})"
