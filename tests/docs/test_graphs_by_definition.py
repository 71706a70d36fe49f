import runpy
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import SOIL
from soil_pyg.typing import INTERACTS, ITEM, USER

DOCS = Path(__file__).parents[2] / "docs"
CHANNELS = {"image": 5, "text": 3, "audio": 4}
SIZES = {"k": 4, "k_i": 3, "k_a": 2}


def make_data(seed: int, num_modalities: int, num_users: int = 14, num_items: int = 12):
    generator = torch.Generator().manual_seed(seed)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
    for modality in list(CHANNELS)[:num_modalities]:
        size = (num_items, CHANNELS[modality])
        data[ITEM][f"x_{modality}"] = torch.randn(size, generator=generator) + 0.3
    interactions = torch.rand(num_users, num_items, generator=generator) < 0.25
    interactions[0] = False  # a user without training interactions
    data[INTERACTS].edge_index = interactions.nonzero().t()
    return data, interactions.double()


@pytest.mark.parametrize("profile", ["paper", "released"])
@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_fast_graphs_equal_the_definition(profile: str, num_modalities: int, seed: int) -> None:
    data, interactions = make_data(seed, num_modalities)
    features = {m: data[ITEM][f"x_{m}"].double() for m in list(CHANNELS)[:num_modalities]}
    graphs = runpy.run_path(str(DOCS / "graphs_by_definition.py"))["graphs"]
    expected = graphs(interactions, features, **SIZES, released=profile == "released")
    data = SOIL.graph_transform(profile, **SIZES)(data)
    assert len(expected) == 2 + num_modalities
    for name, matrix in expected.items():
        source = USER if name in ("user_item", "aggregation") else ITEM
        adjacency = data[source, name, ITEM].adjacency.to_dense().double()
        fast = adjacency.t() if source == USER else adjacency
        assert torch.equal(fast != 0, matrix != 0), name
        torch.testing.assert_close(fast, matrix, rtol=0, atol=1e-6)


def test_the_page_shows_the_code() -> None:
    page = (DOCS / "graphs_by_definition.rst").read_text("utf-8")
    assert "graphs_by_definition.py" in page
