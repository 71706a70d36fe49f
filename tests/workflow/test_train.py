import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg import train
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.models import BPR, SOIL
from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.runs.data_identity import data_identity
from soil_pyg.runs.schema import PAIRS
from soil_pyg.testing.small_data import small_data
from soil_pyg.training.early_stopping import EarlyStopping
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import ITEM, USER
from soil_pyg.workflow.options import ModelOptions

SHORT: dict[str, Any] = {"epochs": 2, "hidden_channels": 4, "progress": False, "device": "cpu"}
OWN_MODEL = """
from soil_pyg.models import BPR


class Mine(BPR):
    def __init__(self, num_users, num_items, in_channels=None, *, {name}: int = 4):
        super().__init__(num_users, num_items, hidden_channels={name})
"""


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_is_what_its_parts_come_to(data_folder: Path, tmp_path: Path) -> None:
    result = train(data_folder, tmp_path / "new" / "run", "soil", seed=3, k=4, lr=0.01, **SHORT)
    data = load_data_folder(data_folder)
    data = SOIL.graph_transform("released", k=4)(data)
    seed_everything(3)
    model = SOIL.released(30, 25, {"image": 5, "text": 4}, hidden_channels=4)
    expected = Trainer(epochs=2, lr=0.01, seed=3, progress=False).fit(model, data)
    assert result.test == expected.test
    assert [entry["loss"] for entry in result.history] == [e["loss"] for e in expected.history]
    trained = soil_pyg.load(tmp_path / "new" / "run")
    assert torch.equal(trained.user_emb, model.eval()(data)[0])


def test_what_a_run_keeps(data_folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = train("data", "run", "soil", k=4, aggr="max", **SHORT)
    names = ["embeddings.safetensors", "ids.safetensors", "items.index", "items.json"]
    # More epochs can go on from the state.
    names += ["model.safetensors", "run.json", "state.safetensors", PAIRS]
    assert files(tmp_path / "run") == names
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    settings = run["settings"]
    known = {"data": str(data_folder), "model": "soil", "profile": "released", "device": "cpu"}
    assert {name: settings[name] for name in known} == known
    options = ModelOptions("soil").options
    assert set(settings) == {*known, *options}
    assert (settings["k"], settings["aggr"], settings["weight_by_users"]) == (4, "max", True)
    assert settings["ks"] == [5, 10, 20, 50]
    assert len(run["history"]) == result.epochs == 2
    assert run["data"] == data_identity(load_data_folder(data_folder))
    assert (run["data"]["name"], run["data"]["digest"]) == ("random", "digest 0")


def test_settings_of_the_data_set_count(data_folder: Path, tmp_path: Path) -> None:
    data = load_data_folder(data_folder)
    data.name = "synthetic"
    train(data, tmp_path / "run", "soil", **SHORT)
    settings = soil_pyg.load(tmp_path / "run").settings
    assert (settings["lr"], settings["batch_size"], settings["data"]) == (0.005, 1024, None)
    train(data, tmp_path / "other", "soil", lr=0.5, profile="paper", **SHORT)
    settings = soil_pyg.load(tmp_path / "other").settings
    assert (settings["lr"], settings["batch_size"], settings["profile"]) == (0.5, 1024, "paper")


def test_the_same_call_goes_on(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**SHORT, "epochs": 5}
    whole = train(data_folder, tmp_path / "whole", "lightgcn", **options)

    def interrupt(stopping: EarlyStopping, result: Any) -> bool:
        if result.epochs == 2:
            raise KeyboardInterrupt
        return False

    with monkeypatch.context() as patch:
        patch.setattr(EarlyStopping, "is_over", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(data_folder, tmp_path / "run", "lightgcn", **options)
    assert len(soil_pyg.load(tmp_path / "run").run["history"]) == 2
    result = train(data_folder, tmp_path / "run", "lightgcn", **options)
    assert (result.history, result.test) == (whole.history, whole.test)


def test_a_finished_run_is_not_run_again(
    data_folder: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = soil_pyg.load(run_folder).metrics
    written = (run_folder / "run.json").stat().st_mtime_ns
    (run_folder / "items.index").unlink()
    monkeypatch.setattr(Trainer, "fit", None)
    result = train(data_folder, run_folder, "bpr", **SHORT)
    assert {"val": result.val, "test": result.test} == expected
    assert (run_folder / "run.json").stat().st_mtime_ns == written
    assert ItemIndex.load(soil_pyg.load(run_folder)) is not None


def test_another_run_is_left_alone(
    data_folder: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: (run_folder / name).read_bytes() for name in files(run_folder)}
    monkeypatch.setattr(BPR, "graph_transform", classmethod(lambda cls: pytest.fail))
    with pytest.raises(ValueError, match=re.escape(f"'{run_folder}'")):
        train(data_folder, run_folder, "bpr", lr=0.5, **SHORT)
    assert {name: (run_folder / name).read_bytes() for name in files(run_folder)} == before


def test_a_run_is_overwritten(data_folder: Path, run_folder: Path, tmp_path: Path) -> None:
    options = SHORT | {"lr": 0.5}
    expected = train(data_folder, tmp_path / "new", "bpr", **options)
    (run_folder / "run.json").write_text("{")
    result = train(data_folder, run_folder, "bpr", overwrite=True, **options)
    assert (result.history, result.test) == (expected.history, expected.test)
    assert files(run_folder) == files(tmp_path / "new")
    assert ItemIndex.load(soil_pyg.load(run_folder)) is not None
    assert soil_pyg.load(run_folder).settings["lr"] == 0.5


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"init": "nowhere"}, {"metric": "recall@3"}])
def test_wrong_input_leaves_the_run_to_overwrite(
    data_folder: Path, run_folder: Path, wrong: dict[str, Any]
) -> None:
    before = {name: (run_folder / name).read_bytes() for name in files(run_folder)}
    with pytest.raises((ValueError, FileNotFoundError)):
        train(data_folder, run_folder, "bpr", overwrite=True, **SHORT | wrong)
    assert {name: (run_folder / name).read_bytes() for name in files(run_folder)} == before


@pytest.mark.parametrize("batch", [1, 3])
def test_an_interruption_replaces_a_run_after_the_first_epoch(
    data_folder: Path, run_folder: Path, interrupt: Callable[..., None], batch: int
) -> None:
    before = (run_folder / "run.json").read_bytes()
    options = SHORT | {"lr": 0.5, "batch_size": 100}
    interrupt(batch)
    with pytest.raises(KeyboardInterrupt):
        train(data_folder, run_folder, "bpr", overwrite=True, **options)
    assert ((run_folder / "run.json").read_bytes() == before) == (batch == 1)
    if batch > 1:
        assert train(data_folder, run_folder, "bpr", **options).epochs == 2


def test_starting_from_an_earlier_run(
    data_folder: Path, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = soil_pyg.load(run_folder)
    later = load_data_folder(data_folder)
    later[ITEM].id = later[ITEM].id.copy()
    later[ITEM].id[0], later.digest = "new item", "later"
    fit = Trainer.fit
    started = {}

    def note(trainer: Trainer, model: BPR, *args: Any, **options: Any) -> Any:
        started["item"] = model.item_embedding.weight.detach().clone()
        return fit(trainer, model, *args, **options)

    monkeypatch.setattr(Trainer, "fit", note)
    result = train(later, tmp_path / "new", "bpr", init=run_folder, **SHORT)
    assert started["item"][1:].equal(old.model.item_embedding.weight[1:])
    assert not started["item"][0].equal(old.model.item_embedding.weight[0])
    settings = soil_pyg.load(tmp_path / "new").settings
    assert settings["init"] == old.run["files"]["model.safetensors"]
    assert train(later, tmp_path / "new", "bpr", init=old, **SHORT).test == result.test
    with pytest.raises(ValueError, match=re.escape(f"'{tmp_path / 'new'}'")):
        train(later, tmp_path / "new", "bpr", **SHORT)


def test_an_earlier_run_that_does_not_fit(
    data_folder: Path, run_folder: Path, tmp_path: Path
) -> None:
    other = load_data_folder(data_folder)
    other[USER].id, other[ITEM].id = other[USER].id + 1000, np.arange(other[ITEM].num_nodes)
    for data, model, init, message in [
        (other, "bpr", run_folder, rf"'init' \(--init\).*'{run_folder}'"),
        (data_folder, "lightgcn", run_folder, r"'init'.*LightGCN.*\(got BPR\)"),
        (data_folder, "bpr", data_folder, rf"'{data_folder}'"),
    ]:
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            train(data, tmp_path / "new", model, init=init, **SHORT)
        assert not (tmp_path / "new").exists()


def test_without_faiss_there_is_no_index(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    train(data_folder, tmp_path / "run", "bpr", **SHORT)
    assert "items.index" not in files(tmp_path / "run")
    assert len(soil_pyg.recommend(tmp_path / "run", k=2)) == 60


def test_a_model_without_parameters(data_folder: Path, tmp_path: Path) -> None:
    result = train(data_folder, tmp_path / "run", "itemknn", k=3, progress=False, device="cpu")
    assert result.epochs == 0
    assert soil_pyg.load(tmp_path / "run").item_emb.is_sparse
    assert len(soil_pyg.recommend(tmp_path / "run", k=2)) == 60


def test_a_model_of_ones_own(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("width", "device"):
        (tmp_path / f"own_{name}.py").write_text(OWN_MODEL.format(name=name))
        monkeypatch.delitem(sys.modules, f"own_{name}", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    options = {"epochs": 1, "progress": False, "device": "cpu"}
    train(data_folder, tmp_path / "run", "own_width:Mine", width=7, **options)
    assert soil_pyg.load(tmp_path / "run").user_emb.size() == (30, 7)
    with pytest.raises(ValueError, match=r"'own_device:Mine'.*'device'"):
        train(data_folder, tmp_path / "run", "own_device:Mine")


def test_more_items_than_users(
    random_data: Callable[..., HeteroData], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The released aggregation is not defined for them; it is refused only if asked for."""
    data = random_data(num_users=20, num_items=40)
    data[ITEM].x_text = torch.rand(40, 3)
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        train(data, tmp_path / "run", **SHORT)
    assert "sym_user_index" in caplog.text
    assert soil_pyg.load(tmp_path / "run").settings["aggregation"] == "sym"
    with pytest.raises(ValueError, match="sym_user_index"):
        train(data, tmp_path / "other", aggregation="sym_user_index", **SHORT)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "sail"}, "'model'.*bm3, .*'sail'"),
        ({"model": "soil", "kk": 3}, "options: .*'soil'.*'kk'.*aggr, "),
        ({"model": "soil", "k": "many"}, "options: 'k': expected int"),
        ({"model": "soil", "profile": "new"}, "'profile'.*paper, released, best.*'soil'.*'new'"),
        ({"model": "bpr", "profile": "paper"}, "'profile'.*None.*'bpr'.*'paper'"),
        ({"model": "soil", "modalities": ["sound"]}, "'modalities'.*image, text.*'sound'"),
        ({"model": "soil", "aggr": "least"}, "'aggr'.*least"),
        ({"model": "bpr", "epochs": 0}, r"'epochs'.*\(got 0\)"),
        ({"model": "bpr", "seed": -1}, r"'seed'.*\(got -1\)"),
        ({"model": "bpr", "metric": "clicks"}, "'metric'.*recall@5.*clicks"),
        ({"model": "bpr", "device": "abacus"}, "'device'.*'abacus'"),
    ],
)
def test_wrong_arguments_leave_nothing(
    data_folder: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(data_folder, tmp_path / "new" / "run", **{"device": "cpu", **options})
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'device'.*'cuda'"):
        train(data_folder, tmp_path / "run", "bpr", device="cuda")


def test_a_model_that_needs_features(
    random_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"'soil'.*'data'"):
        train(random_data(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere'"):
        train(tmp_path / "nowhere", tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"prepare\.json"):
        train(tmp_path, tmp_path / "run")


def test_places_that_cannot_be_written(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"'out'.*data'.*data\.safetensors"):
        train(data_folder, data_folder, "bpr", **SHORT)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"'out'.*file'\)"):
        train(data_folder, tmp_path / "file", "bpr", **SHORT)
    with pytest.raises(NotADirectoryError):
        train(data_folder, tmp_path / "file" / "run", "bpr", **SHORT)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*run'"):
        train(data_folder, tmp_path / "new" / "run", "bpr", **SHORT)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("model", ["bpr", "lightgcn", "mgcn", "soil"])
def test_nodes_are_counted_from_the_features(model: str, tmp_path: Path) -> None:
    data = small_data(num_users=12)
    options = {"epochs": 1, "device": "cpu", "progress": False}
    del data[ITEM].num_nodes
    train(data, tmp_path / "run", model, **options)
    trained = soil_pyg.load(tmp_path / "run")
    assert trained.item_emb.size(0) == 7
    train(data, tmp_path / "final", final=tmp_path / "run", progress=False)
