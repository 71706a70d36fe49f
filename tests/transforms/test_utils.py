import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.transforms import SimilarityGraph
from soil_pyg.transforms.utils import build_in_one_pass, unit_features


def test_unit_features_of_tiny_and_huge_rows_are_exact() -> None:
    data = HeteroData()
    data["item"].x_image = torch.tensor([[3e-30, 4e-30], [3e30, 4e30], [0.0, 0.0]])
    unit, has = unit_features(data, None, "item")["image"]
    assert has.tolist() == [True, True, False]
    expected = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]])
    torch.testing.assert_close(unit, expected)


@pytest.mark.parametrize(
    ("norm", "dtype"),
    [
        (1e-16, torch.float64),
        (1e-14, torch.float32),
        (1.0, torch.float32),
        (1e14, torch.float32),
        (1e16, torch.float64),
    ],
)
def test_only_very_small_and_very_large_norms_are_taken_in_double_precision(
    norm: float, dtype: torch.dtype
) -> None:
    x = torch.rand(64, 300, generator=torch.Generator().manual_seed(0)) * (norm / 10)
    norms = {
        t: torch.linalg.vector_norm(x, dim=1, dtype=t).float()
        for t in (torch.float32, torch.float64)
    }
    assert not norms[torch.float32].equal(norms[torch.float64])
    data = HeteroData()
    data["item"].x_image = x
    assert unit_features(data, None, "item")["image"][0].equal(x / norms[dtype].unsqueeze(1))


def test_modalities() -> None:
    data = HeteroData()
    data["item"].x_image, data["item"].x_text = torch.ones(2, 3), torch.ones(2, 1)
    data["user"].x_text = torch.ones(4, 1)
    assert list(unit_features(data, None, "item")) == ["image", "text"]
    assert list(unit_features(data, ["text"], "item")) == ["text"]
    assert unit_features(data, None, "user")["text"][0].size() == (4, 1)
    for names, node_type, match in (
        (["text", "audio"], "item", r"'modalities' names 'audio'.*\['image', 'text'\]"),
        ([], "item", "'item' have no features"),
        (None, "shop", "'shop' have no features"),
    ):
        with pytest.raises(ValueError, match=match):
            unit_features(data, names, node_type)


def test_features_beyond_single_precision() -> None:
    data = HeteroData()
    data["item"].x_image = torch.tensor([[1.0, 0.0], [1e200, 0.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="'x_image'"):
        unit_features(data, None, "item")


def test_a_transform_alone_makes_the_graphs_of_one_pass() -> None:
    data = HeteroData()
    data["item"].x_image = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.1, 0.9], [0.0, 1.0]])
    # Each item is its own nearest neighbour.
    transform = SimilarityGraph(k=2, memory_budget=2**20)
    features = unit_features(data, None, "item")
    together = build_in_one_pass(data.clone(), features, [transform], transform.search_options)
    edge_type = "item", "image_similar", "item"
    alone, expected = transform(data)[edge_type], together[edge_type]
    assert torch.equal(alone.edge_index, expected.edge_index)
    assert torch.equal(alone.edge_weight, expected.edge_weight)
    pairs = {frozenset(pair) for pair in alone.edge_index.t().tolist()}
    assert pairs == {frozenset(pair) for pair in ([0], [1], [2], [3], [0, 1], [2, 3])}
