import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets import MultimodalDataset, TableDataset
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.models import BPR, LightGCN
from soil_pyg.models.resolver import model_name
from soil_pyg.runs import checkpoint
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import EDGE_INDICES, INTERACTS, modalities_of
from soil_pyg.workflow.export import export_embeddings, export_hetero_data, export_mmrec
from soil_pyg.workflow.prepare import prepare

FRAME = pd.DataFrame(
    {
        "user": [name for name in ("ann", "bob", "eve") for _ in range(5)],
        "item": ["tea", "rum", "gin", "ale", "milk"] * 3,
    }
)
FEATURES: dict[str, Any] = {
    "text": (np.array([[1.0], [2.0]]), ["tea", "gin"]),
    "image": (np.array([[3.0, 4.0], [5.0, 0.5]]), ["nut", "ale"]),
}


def make_data(**options: Any) -> HeteroData:
    options = {"features": FEATURES, "items": ["nut", "tea", "rum", "gin", "ale", "milk"]} | options
    return TableDataset(FRAME, **options)[0]


@pytest.fixture
def trained() -> TrainedModel:
    model = BPR(2, 3)
    return TrainedModel(
        model=model,
        user_emb=torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
        item_emb=torch.arange(6.0).reshape(3, 2),
        user_id=np.array(["ann", "bob"]),
        item_id=np.array([7, 8, 9]),
        settings={},
        metrics={},
        data_name="bar",
        data_digest="",
        run={},
    )


def test_the_layout_of_mmrec_gives_the_data_back(tmp_path: Path) -> None:
    data = make_data()
    export_mmrec(data, tmp_path / "bar")
    back = MultimodalDataset(tmp_path, "bar")[0]
    for name in EDGE_INDICES:
        assert back[INTERACTS][name].equal(data[INTERACTS][name])
    assert modalities_of(back) == sorted(modalities_of(data)) == ["image", "text"]
    for name in ("x_text", "x_image"):
        assert back["item"][name].equal(data["item"][name])
    for kind, column in (("user", "userID"), ("item", "itemID")):
        ids = pd.read_csv(tmp_path / "bar" / f"{kind[0]}_id_mapping.csv", sep="\t")
        assert ids[kind].tolist() == data[kind].id.tolist()
        assert ids[column].tolist() == back[kind].id.tolist()


def test_the_layout_of_mmrec_from_a_folder_without_features(tmp_path: Path) -> None:
    prepare(FRAME, tmp_path / "DATA")
    export_mmrec(tmp_path / "DATA", tmp_path / "bar")
    data, back = load_data_folder(tmp_path / "DATA"), MultimodalDataset(tmp_path, "bar")[0]
    assert back[INTERACTS].edge_index.equal(data[INTERACTS].edge_index)
    assert back["item"].num_nodes == data["item"].num_nodes


def test_what_the_layout_of_mmrec_cannot_hold_is_refused(tmp_path: Path) -> None:
    data = make_data(features=None, items=["zebra", *FRAME["item"].unique()])
    with pytest.raises(ValueError, match=r"'data'.*\(got 6 items.*\b4\b"):
        export_mmrec(data, tmp_path / "bar")
    data = make_data()
    data["user"].num_nodes += 2
    with pytest.raises(ValueError, match=r"'data'.*last user.*\(got 5 users.*after 2\)"):
        export_mmrec(data, tmp_path / "bar")
    for name in EDGE_INDICES:
        data[INTERACTS][name] = data[INTERACTS][name][:, :0]
    for _ in range(2):
        with pytest.raises(ValueError, match=r"'data' must have interactions \(got none\)"):
            export_mmrec(data, tmp_path / "bar")
        del data[INTERACTS]
    data = make_data()
    data["item"]["x_a/b"] = data["item"].x_text
    with pytest.raises(ValueError, match="'a/b'"):
        export_mmrec(data, tmp_path / "bar")
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match=re.escape(f"'{tmp_path}'")):
        export_mmrec(make_data(), tmp_path)
    with pytest.raises(FileNotFoundError, match="'no'"):
        export_mmrec("no", tmp_path / "bar")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_heterogeneous_graph_for_others(tmp_path: Path) -> None:
    data = make_data()
    export_hetero_data(data, tmp_path / "x.pt")
    back = HeteroData.from_dict(torch.load(tmp_path / "x.pt", weights_only=True))
    assert back["user"].id == ["ann", "bob", "eve"]
    assert back[INTERACTS].edge_index.equal(data[INTERACTS].edge_index)
    assert back["item"].x_image.equal(data["item"].x_image)
    assert isinstance(data["user"].id, np.ndarray)
    prepare(tmp_path / "x.pt", tmp_path / "DATA")
    assert load_data_folder(tmp_path / "DATA").digest == data.digest
    integers = TableDataset(FRAME.assign(item=[5, 6, 7, 8, 9] * 3))[0]
    export_hetero_data(integers, tmp_path / "y.pt")
    back = HeteroData.from_dict(torch.load(tmp_path / "y.pt", weights_only=True))
    assert back["item"].id.tolist() == [5, 6, 7, 8, 9]
    export_hetero_data(LightGCN.graph_transform()(make_data()), tmp_path / "y.pt")
    back = HeteroData.from_dict(torch.load(tmp_path / "y.pt", weights_only=True))
    assert back[INTERACTS].edge_index.equal(data[INTERACTS].edge_index)
    assert "adjacency" not in back[INTERACTS]
    with pytest.raises(ValueError, match=r"'out'.*\(got 'x\.pth'\)"):
        export_hetero_data(data, "x.pth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DATA", "x.pt", "y.pt"]


def test_a_full_disk_leaves_no_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904

    monkeypatch.setattr("soil_pyg.workflow.export.torch.save", fail)
    with pytest.raises(OSError, match="No space left on device"):
        export_hetero_data(make_data(), tmp_path / "x.pt")
    assert list(tmp_path.iterdir()) == []


def test_embeddings_as_parquet_are_features(trained: TrainedModel, tmp_path: Path) -> None:
    export_embeddings(trained, tmp_path / "emb")
    users = pd.read_parquet(tmp_path / "emb" / "users.parquet")
    assert users["user"].tolist() == ["ann", "bob"]
    assert np.stack(users["embedding"]).tolist() == [[1, 2], [3, 4]]
    assert np.stack(users["embedding"]).dtype == np.float32
    frame = pd.DataFrame({"user": list("aaabbb"), "item": [7, 8, 9] * 2})
    prepare(frame, tmp_path / "DATA", {"emb": tmp_path / "emb" / "items.parquet"})
    assert load_data_folder(tmp_path / "DATA")["item"].x_emb.equal(trained.item_emb)


def test_embeddings_as_npy(trained: TrainedModel, tmp_path: Path) -> None:
    export_embeddings(trained, tmp_path / "emb", "npy")
    arrays = {path.stem: np.load(path) for path in (tmp_path / "emb").iterdir()}
    assert arrays["user_ids"].tolist() == ["ann", "bob"]
    assert arrays["item_ids"].tolist() == [7, 8, 9]
    assert arrays["user_embeddings"].tolist() == [[1, 2], [3, 4]]
    assert arrays["item_embeddings"].tolist() == trained.item_emb.tolist()
    with pytest.raises(ValueError, match=r"'file_format'.*'parquet', 'npy'.*'csv'"):
        export_embeddings(trained, tmp_path / "other", "csv")


def test_ids_as_npy_are_not_pickled(trained: TrainedModel, tmp_path: Path) -> None:
    trained.item_id = np.array(["tea", "rum", 9], dtype=object)
    export_embeddings(trained, tmp_path / "emb", "npy")
    assert np.load(tmp_path / "emb" / "item_ids.npy").tolist() == ["tea", "rum", "9"]


def test_embeddings_of_a_folder(trained: TrainedModel, tmp_path: Path) -> None:
    data = HeteroData()
    data["user"].id, data["item"].id = trained.user_id, trained.item_id
    run = {
        **{"finished": True, "model": model_name(type(trained.model)), "settings": {}},
        **{"options": trained.model.options, "trainer": Trainer().result_options()},
        **{"data": {"name": "bar", "digest": ""}, **asdict(TrainResult())},
    }
    embeddings = (trained.user_emb, trained.item_emb)
    checkpoint.save(tmp_path / "run", run, trained.model.state_dict(), embeddings, data)
    export_embeddings(tmp_path / "run", tmp_path / "emb")
    assert pd.read_parquet(tmp_path / "emb" / "items.parquet")["item"].tolist() == [7, 8, 9]


def test_sparse_embeddings_are_refused(trained: TrainedModel, tmp_path: Path) -> None:
    trained.item_emb = torch.eye(3).to_sparse()
    with pytest.raises(ValueError, match="BPR"):
        export_embeddings(trained, tmp_path / "emb")
    assert list(tmp_path.iterdir()) == []


def test_the_layout_of_mmrec_of_a_train_split_alone(tmp_path: Path) -> None:
    data = make_data()
    for name in EDGE_INDICES[1:]:
        del data[INTERACTS][name]
    data["user"].num_nodes = int(data[INTERACTS].edge_index[0].max()) + 1
    export_mmrec(data, tmp_path / "bar")
    labels = pd.read_csv(tmp_path / "bar" / "bar.inter", sep="\t")["x_label"]
    assert set(labels) == {0}
