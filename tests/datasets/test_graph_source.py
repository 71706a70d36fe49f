from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets import TableDataset
from soil_pyg.datasets.growth import GrowthError
from soil_pyg.datasets.layouts import read_source
from soil_pyg.datasets.storage import save_data
from soil_pyg.typing import EDGE_INDICES, INTERACTS

FRAME = pd.DataFrame(
    {
        "user": ["ann", "ann", "ann", "bob"],
        "item": ["tea", "rum", "gin", "gin"],
        "split": ["train", "val", "test", "train"],
    }
)


def hetero_data() -> HeteroData:
    features = {"image": (np.array([[1.0], [2.0]]), ["gin", "tea"])}
    return TableDataset(FRAME, features, split_column="split", name="bar")[0]


@pytest.mark.parametrize("form", ["itself", "safetensors", "dictionary", "pickled"])
def test_heterogeneous_graphs(form: str, tmp_path: Path) -> None:
    data, source = hetero_data(), tmp_path / "x.pt"
    if form == "safetensors":
        source = tmp_path / "x.safetensors"
        save_data(data, source)
    elif form != "itself":
        for store in data.node_stores:
            store.id = store.id.tolist()
        torch.save(data if form == "pickled" else data.to_dict(), source)
    read = read_source(data if form == "itself" else source, "user", "item", [])
    rows = sorted(read.table.frame.itertuples(index=False, name=None))
    assert rows == [("ann", "gin", 2), ("ann", "rum", 1), ("ann", "tea", 0), ("bob", "gin", 0)]
    assert read.split_column == "x_label"
    assert read.items is not None
    assert read.items.tolist() == ["gin", "rum", "tea"]
    matrix, ids = read.features["image"]
    assert ids.tolist() == ["gin", "rum", "tea"]
    assert matrix.tolist() == [[1], [0], [2]]
    assert read.name == ("HeteroData" if form == "itself" else "bar")


def test_a_graph_without_ids_and_split() -> None:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 2, 3
    data[INTERACTS].edge_index = torch.tensor([[0, 1], [2, 0]])
    read = read_source(data, "user", "item", [])
    assert read.split_column is None
    assert read.table.frame["item"].tolist() == [2, 0]
    assert read.table.where(1) == "HeteroData, the train edge 1"


class Other:
    """A class that no file may instantiate."""


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        ("item", "id", ["gin", "tea", "gin"], r"data\['item'\]\.id\[2\] .*twice.*'gin'"),
        ("item", "id", [1, "1", 2], r"data\['item'\]\.id\[1\]: .*'1'"),
        ("item", "id", ["gin", None, "tea"], r"data\['item'\]\.id\[1\]: .*missing"),
        ("item", "id", [[1], [2], [3]], r"data\['item'\]\.id\[0\]: .*explode"),
        ("user", "id", np.array([0.5, 1.5]), r"data\['user'\]\.id\[0\]: .*0\.5"),
        ("user", "num_nodes", 10**13, r"data\['user'\] .*'num_nodes' .*\(got 10000000000000\)"),
        ("user", "num_nodes", "2", r"data\['user'\] .*'num_nodes' .*\(got '2'\)"),
        (INTERACTS, "edge_index", torch.zeros(2, 3), r"'edge_index' .*float32 of shape \(2, 3\)"),
        (INTERACTS, "edge_index", torch.zeros(3, 2).long(), r"'edge_index' .*shape \(3, 2\)"),
        (INTERACTS, "edge_index", torch.zeros(2).long(), r"'edge_index' .*shape \(2,\)"),
        (INTERACTS, "edge_index", torch.ones(2, 2).bool(), "'edge_index' .*bool"),
        (INTERACTS, "edge_index", torch.eye(2).long().to_sparse(), "'edge_index' .*shape"),
        (INTERACTS, "edge_index", [[0], [1]], r"'edge_index' .*\(got list\)"),
        (INTERACTS, "val_edge_label_index", torch.zeros(1, 2).long(), "'val_edge_label_index' "),
    ],
)
def test_parts_of_graphs_that_cannot_be_right_are_named(
    kind: Any, name: str, value: Any, message: str
) -> None:
    data = hetero_data()
    data[kind][name] = value
    with pytest.raises(ValueError, match=f"^HeteroData: {message}"):
        read_source(data, "user", "item", [])


def test_graphs_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    edge, ids, empty = hetero_data(), hetero_data(), hetero_data()
    edge[INTERACTS].edge_index = torch.tensor([[0], [9]])
    ids["item"].id = np.arange(2)
    for name in EDGE_INDICES:
        empty[INTERACTS][name] = torch.zeros(2, 0, dtype=torch.long)
    cases: list[tuple[Any, str]] = [
        (edge, "HeteroData: .*item.* 0 to 2"),
        (ids, r"HeteroData: data\['item'\] .* 3 .* 2 "),
        (empty, "HeteroData .*'interacts'"),
        (HeteroData(), r"HeteroData: .*'edge_index' \(got edge types \[\]\)"),
        (b"no", r"x\.pt .*HeteroData"),
        (Other(), r"x\.pt .*HeteroData .*lists of ids: it has a \S+Other$"),
        ([1], r"x\.pt .*HeteroData \(got list\)"),
    ]
    for source, message in cases:
        path = tmp_path / "x.pt"
        if isinstance(source, bytes):
            path.write_bytes(source)
        else:
            torch.save(source, path)
        with pytest.raises(ValueError, match=message):
            read_source(source if isinstance(source, HeteroData) else path, "user", "item", [])


def test_graphs_with_a_part_of_a_split_are_refused() -> None:
    """Their held-out interactions would be trained on."""
    for name in EDGE_INDICES[1:]:
        data = hetero_data()
        del data[INTERACTS][name]
        with pytest.raises(ValueError, match=rf"all of .*{name}.* alone.* \(got edge_index, "):
            read_source(data, "user", "item", [])


def test_features_without_a_modality_are_named() -> None:
    data = hetero_data()
    data["item"].x = torch.ones(3, 2)
    with pytest.warns(UserWarning, match="HeteroData: 'x' of 'item' .*x_<modality>"):
        read = read_source(data, "user", "item", [])
    assert list(read.features) == ["image"]


@pytest.mark.parametrize("kind", ["a view of one value", "compressed", "old"])
def test_small_files_of_large_tensors(kind: str, tmp_path: Path) -> None:
    data = hetero_data()
    del data["user"].id, data["item"].id
    data["item"].x_image = torch.zeros(3, 2**25)
    if kind != "compressed":
        data["item"].x_image = torch.zeros(1, 1).expand(3, 2**25)
    path = tmp_path / "x.pt"
    torch.save(data.to_dict(), path, _use_new_zipfile_serialization=kind != "old")
    if kind == "compressed":
        with ZipFile(path) as plain, ZipFile(tmp_path / "y.pt", "w", ZIP_DEFLATED) as packed:
            for part in plain.infolist():
                packed.writestr(part.filename, plain.read(part))
        (tmp_path / "y.pt").replace(path)
    assert path.stat().st_size < 2**20
    with pytest.raises(GrowthError, match=r"x\.pt .*200 times"):
        read_source(path, "user", "item", [])
