from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

import naive
from agreement import compare, sparse, tied
from inputs import save_graphs, save_matrices
from measured import OPTIONS
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import item_item


@pytest.fixture(scope="module")
def drawn() -> HeteroData:
    sizes = {"num_users": 60, "num_items": 40, "interactions_per_user": 8.0}
    return SyntheticMultimodal(**sizes, modalities={"image": 12, "smell": 5})[0]


def test_both_make_the_same_graphs(drawn: HeteroData, tmp_path: Path) -> None:
    files = str(tmp_path / "fast"), str(tmp_path / "naive")
    data = SOIL.graphs("released", **OPTIONS)(drawn.clone())
    save_graphs(data, files[0])
    matrices = naive.graphs(drawn, **OPTIONS)
    save_matrices(matrices, files[1])
    found = compare(*files)
    assert sorted(found["graphs"]) == sorted(matrices)
    for graph in found["graphs"].values():
        assert graph["differing"] == 0
        assert graph["entries"] > 100
        assert graph["largest"] < 1e-6
    assert found["embeddings"] < 1e-6
    # Users 26 and 57 have two entries of the same value at the cut.
    assert found["tied_users"] <= 2

    data[item_item("image")].adj.weight[3] += 0.1
    save_graphs(data, files[0])
    graph = compare(*files)["graphs"]["image_item_item"]
    assert graph["differing"] == 1
    assert graph["largest"] == pytest.approx(0.1, rel=1e-4)


def test_only_a_tie_excuses_another_choice(drawn: HeteroData) -> None:
    expected = naive.graphs(drawn, **OPTIONS)["aggregation"]
    for user, num_tied in {0: 0, 26: 1}.items():
        entry = int((expected.indices()[0] == user).nonzero()[1])
        change = torch.zeros_like(expected.values())
        change[entry] = 0.1
        found = sparse(expected.indices(), expected.values() + change, tuple(expected.size()))
        users, items = tied(drawn, found, expected)
        assert users.tolist() == [user] * num_tied
        assert items.tolist() == [int(expected.indices()[1, entry])] * num_tied
