from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_bench.speed import inputs
from soil_bench.speed.inputs import (
    baby_size,
    draw_baby,
    draw_synthetic,
    graph_measurements,
    load_graphs,
    load_matrices,
    save_graphs,
    save_matrices,
)
from soil_pyg.datasets import MultimodalDataset
from soil_pyg.datasets.storage import load_data
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import USER_ITEM
from soil_pyg.typing import modalities_of


def test_features_drawn_for_baby(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "Amazon", lambda root, name: MultimodalDataset(root, "tiny"))
    path = tmp_path / "data"
    draw_baby(str(path), str(root), {"image": 64, "smell": 3})
    data = load_data(path)
    assert data["user", "interacts", "item"].edge_index.size() == (2, 180)
    assert modalities_of(data) == ["image", "smell"]
    assert data["item"].x_smell.size() == (20, 3)
    x = torch.nn.functional.normalize(data["item"].x_image)
    # Two styles of eight items and one of four, whose centres are far from each other.
    assert ((x @ x.t()) > 0.5).sum() == 8 * 8 + 8 * 8 + 4 * 4


def test_items_of_a_style_have_similar_features(tmp_path: Path) -> None:
    options = {"num_users": 40, "num_items": 400, "seed": 3}
    inputs.draw_structured(
        str(tmp_path / "mixture"), "mixture", str(tmp_path), {"a": 32, "b": 16}, **options
    )
    data = load_data(tmp_path / "mixture")
    draw_synthetic(str(tmp_path / "plain"), modalities={"a": 32}, **options)
    plain = load_data(tmp_path / "plain")
    edges = data["user", "interacts", "item"].edge_index
    assert edges.equal(plain["user", "interacts", "item"].edge_index)
    assert modalities_of(data) == ["a", "b"]
    assert data["item"].x_b.size() == (400, 16)
    # The nearest items of the plain data are those of the same style.
    plain_x, x = (torch.nn.functional.normalize(d["item"].x_a) for d in (plain, data))
    near = (plain_x @ plain_x.t()).topk(8).indices
    similarity = x @ x.t()
    assert similarity.gather(1, near).mean() > similarity.mean() + 0.3


def test_size_of_baby(root: Path, tmp_path: Path) -> None:
    function, settings = baby_size(str(root), {"image": 4})
    assert function == "soil_bench.speed.inputs:draw_synthetic"
    assert (settings["num_users"], settings["num_items"]) == (19_445, 7_050)
    draw_synthetic(str(tmp_path / "data"), **settings)
    edges = load_data(tmp_path / "data")["user", "interacts", "item"]
    assert edges.edge_index.size(1) == pytest.approx(118_551, rel=0.01)
    (root / "baby").mkdir()
    (root / "baby" / "baby.inter").touch()
    assert baby_size(str(root), {"image": 4}) == (
        "soil_bench.speed.inputs:draw_baby",
        {"root": str(root), "channels": {"image": 4}},
    )


def test_tasks_of_other_settings_have_other_files(tmp_path: Path) -> None:
    tasks = [
        graph_measurements(tmp_path, "soil_bench.speed.inputs:draw_synthetic", {"seed": s}, "cpu")
        for s in (0, 1, 0)
    ]
    assert len({task.path for three in tasks for task in three}) == 6
    data, fast, naive = tasks[0]
    assert fast.needs == naive.needs == {"inputs": data}


def test_graphs_from_a_file(random_data: Callable[..., HeteroData], tmp_path: Path) -> None:
    data = random_data(30, 20)
    data["item"].x_image = torch.rand(20, 4)
    data = SOIL.graph_transform("released")(data)
    data[USER_ITEM].search = {"index": "Flat", "recall": 1.0}
    save_graphs(data, tmp_path / "graphs")
    loaded = load_graphs(tmp_path / "graphs")
    assert loaded.edge_types == data.edge_types
    for edge_type in data.edge_types:
        assert set(loaded[edge_type].keys()) == set(data[edge_type].keys())
        if "adjacency" in data[edge_type]:
            assert loaded[edge_type].adjacency.size == data[edge_type].adjacency.size
            expected = data[edge_type].adjacency.to_dense()
            torch.testing.assert_close(loaded[edge_type].adjacency.to_dense(), expected)
    assert loaded[USER_ITEM].search == data[USER_ITEM].search
    torch.testing.assert_close(loaded["item"].x_image, data["item"].x_image)


def test_matrices_from_a_file(tmp_path: Path) -> None:
    matrices = {"a": torch.eye(2, 3).to_sparse(), "b_c": torch.zeros(4, 1).to_sparse()}
    save_matrices(matrices, tmp_path / "matrices")
    loaded = load_matrices(tmp_path / "matrices")
    assert list(loaded) == ["a", "b_c"]
    for name, matrix in matrices.items():
        assert loaded[name].is_coalesced()
        torch.testing.assert_close(loaded[name].to_dense(), matrix.to_dense())
