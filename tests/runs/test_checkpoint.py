import errno
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import compute_embeddings
from soil_pyg.runs import checkpoint
from soil_pyg.runs.schema import EMBEDDINGS, IDS, PAIRS, WEIGHTS
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import ITEM, USER

SIZES = {"num_users": 30, "num_items": 40}


@pytest.fixture
def run() -> dict[str, Any]:
    return {
        "finished": True,
        "model": "soil_pyg.models.bpr:BPR",
        "options": BPR(30, 40, hidden_channels=4).options,
        "settings": {"k": 5, "name": "ü"},
        "data": {"name": "random", "digest": "digest 0"},
        "trainer": Trainer().result_options(),
        **asdict(TrainResult(val={"recall@20": 0.1 + 0.2}, test={"recall@20": 1 / 3})),
    }


@pytest.fixture
def model() -> BPR:
    return BPR(30, 40, hidden_channels=4)


@pytest.fixture
def folder(tmp_path: Path, run: dict[str, Any], model: BPR, data: HeteroData) -> Path:
    folder = tmp_path / "new" / "run"
    checkpoint.save(folder, run, model.state_dict(), compute_embeddings(model, data), data)
    return folder


def test_a_saved_run_is_loaded(folder: Path, model: BPR, data: HeteroData) -> None:
    trained = soil_pyg.load(str(folder))
    assert trained.folder == folder
    assert type(trained.model) is BPR
    assert not trained.model.training
    assert trained.model.options == model.options
    for name, value in model.state_dict().items():
        assert torch.equal(trained.model.state_dict()[name], value)
    assert torch.equal(trained.user_emb, model(data)[0])
    assert torch.equal(trained.item_emb, model(data)[1])
    assert trained.user_id.dtype == np.int64
    assert trained.user_id.tolist() == list(range(0, 300, 10))
    assert trained.item_id.dtype == data[ITEM].id.dtype
    assert trained.item_id.tolist() == [f"item {i}" for i in range(40)]
    assert trained.settings == {"k": 5, "name": "ü"}
    assert trained.metrics == {"val": {"recall@20": 0.1 + 0.2}, "test": {"recall@20": 1 / 3}}
    assert (trained.data_name, trained.data_digest) == ("random", "digest 0")
    assert trained.run["versions"]["torch"] == torch.__version__
    assert trained.run["versions"]["soil_pyg"] == soil_pyg.__version__
    assert repr(trained) == "TrainedModel(BPR, data='random', num_users=30, num_items=40)"


def test_no_other_files_are_left(folder: Path) -> None:
    names = [EMBEDDINGS, IDS, WEIGHTS, checkpoint.RUN, PAIRS]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_sparse_embeddings_and_data_without_ids(
    tmp_path: Path, run: dict[str, Any], model: BPR, data: HeteroData
) -> None:
    del data[USER].id
    user_emb = torch.eye(30, 40).to_sparse()
    item_emb = torch.zeros(40, 40).to_sparse()
    checkpoint.save(tmp_path, run, model.state_dict(), (user_emb, item_emb), data)
    trained = soil_pyg.load(tmp_path)
    assert trained.user_id.tolist() == list(range(30))
    assert trained.user_emb.is_sparse
    assert torch.equal(trained.user_emb.to_dense(), torch.eye(30, 40))
    assert trained.item_emb.size() == (40, 40)
    assert trained.item_emb._nnz() == 0


def test_tensors_of_all_kinds(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    tensors = {
        "view": base.view(2, 3).t(),
        "shared": base,
        "scalar": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "sparse": torch.sparse_coo_tensor([[1, 1], [0, 0]], [1.0, 2.0], (3, 2)),
    }
    checkpoint.save_tensors(tmp_path / "a.safetensors", tensors, {"epoch": 0.1})
    loaded, metadata = checkpoint.load_tensors(tmp_path / "a.safetensors")
    assert metadata == {"epoch": 0.1}
    assert loaded.keys() == tensors.keys()
    assert loaded.pop("sparse").to_dense().tolist() == [[0, 0], [3, 0], [0, 0]]
    for name, value in loaded.items():
        assert value.dtype == tensors[name].dtype
        assert torch.equal(value, tensors[name])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "disk full"),
        SafetensorError("No space left on device (os error 28)"),
    ],
)
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save_tensors(path, {"x": torch.ones(1)})

    def fail(tensors: dict, file: Path, metadata: dict) -> None:
        Path(file).write_bytes(b"half of")
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match=r"a\.safetensors'") as caught:
        checkpoint.save_tensors(path, {"x": torch.zeros(1)})
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert checkpoint.load_tensors(path)[0]["x"].item() == 1
    assert list(tmp_path.iterdir()) == [path]


def test_folders_without_a_finished_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere'"):
        soil_pyg.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"run\.json: it is not the folder of a run"):
        soil_pyg.load(tmp_path)
    checkpoint.save_tensors(tmp_path / checkpoint.STATE, {})
    with pytest.raises(FileNotFoundError, match=r"run\.json: its training has not finished"):
        soil_pyg.load(tmp_path)


@pytest.mark.parametrize("name", checkpoint.FILES)
def test_a_file_is_missing_or_changed(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=rf"{name}'.*--overwrite"):
        soil_pyg.load(folder)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        soil_pyg.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_run_is_corrupt(folder: Path, content: bytes) -> None:
    (folder / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.json'"):
        soil_pyg.load(folder)


def change(folder: Path, **values: object) -> None:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    del run["checksum"]
    (folder / "run.json").write_text(json.dumps({**run, **values}), "utf-8")


def test_format_is_another(folder: Path) -> None:
    change(folder, format=99)
    with pytest.raises(ValueError, match=r"run\.json'.* 1 \(got 99\)"):
        soil_pyg.load(folder)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": "no_such_module:Mine"}, "'no_such_module:Mine'"),
        ({"model": "subprocess:Popen"}, "'subprocess:Popen'"),
        ({"options": SIZES | {"hidden_channels": 5}}, r"soil_pyg\.models\.bpr:BPR.*embedding"),
        ({"options": SIZES | {"hidden_channels": 10**12}}, r"soil_pyg\.models\.bpr:BPR"),
        ({"options": SIZES | {"no_option": 1}}, r"run\.json.*no_option"),
        ({"options": {"num_users": 10**13, "num_items": 40}}, r"run\.json.*num_users.*10{13}"),
        ({"options": {"num_users": 31, "num_items": 40}}, r"ids\.safetensors.*30.*31"),
        ({"options": {"num_users": 30}}, r"run\.json.*num_items"),
    ],
)
def test_a_model_that_cannot_be_built_is_named(
    folder: Path, values: dict[str, Any], named: str
) -> None:
    change(folder, **values)
    with pytest.raises(ValueError, match=named):
        soil_pyg.load(folder)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b'{"__metadata__":'])
def test_tensors_are_corrupt(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.safetensors'"):
        checkpoint.load_tensors(path)


def test_tensors_of_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"a\.safetensors'.*'soil_pyg'"):
        checkpoint.load_tensors(path)
    save_file({}, path, {"soil_pyg": json.dumps({"format": 99, "sparse": {}, "metadata": None})})
    with pytest.raises(ValueError, match=r"a\.safetensors'.*format: .* got 99"):
        checkpoint.load_tensors(path)


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, soil_pyg; assert soil_pyg.__version__; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_unknown_attribute_of_the_package() -> None:
    with pytest.raises(AttributeError, match=r"'soil_pyg'.*'loud'"):
        soil_pyg.loud  # noqa: B018
