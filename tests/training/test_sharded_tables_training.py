"""Training with sharded tables gives the run of training with whole ones."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from soil_pyg import load, models
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.training.sharded_tables import check_shardable
from soil_pyg.training.trainer import Trainer
from train_sharded import EXACT, NAMES, NUM_ITEMS, NUM_USERS, OF_FOUR, OPTIONS, STOPPED, train
from train_together import CASES

SCRIPT = Path(__file__).with_name("train_sharded.py")


def run(task: str, folder: Path, devices: int) -> Path:
    command = [sys.executable, str(SCRIPT), task, str(folder), str(devices)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run("main", tmp_path_factory.mktemp("pair"), 2)


def record(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "run.json").read_text())
    return {name: found[name] for name in ("val", "test", "history", "epochs", "best_epoch")}


def check_equal(folder: Path, expected: Path) -> None:
    assert record(folder) == record(expected)
    for name in ("model.safetensors", "ids.safetensors"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    found, other = load(folder), load(expected)
    for emb, value in ((found.user_emb, other.user_emb), (found.item_emb, other.item_emb)):
        # A layer may round otherwise for another number of rows.
        assert (emb - value).norm() <= 1e-6 * value.norm()
        has_layers = len(other.model.state_dict()) > len(other.model.node_parameters())
        assert has_layers or torch.equal(emb, value)


def check_close(folder: Path, expected: Path) -> None:
    found, other = record(folder), record(expected)
    assert (found["val"], found["test"]) == (other["val"], other["test"])
    for a, b in zip(found["history"], other["history"], strict=True):
        assert a["val"] == b["val"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    weights = [load(path).model.state_dict() for path in (folder, expected)]
    for name, value in weights[1].items():
        assert (weights[0][name] - value).norm() <= 1e-5 * value.norm(), name


@pytest.mark.parametrize("name", NAMES)
def test_sharded_tables_against_whole_ones(name: str, pair: Path) -> None:
    check_equal(pair / "sharded" / name, pair / "whole" / name)
    assert [path.name for path in (pair / "sharded" / name).glob("*")].count("shards") == 1


@pytest.mark.parametrize("name", sorted(EXACT))
def test_two_processes_against_one_to_the_last_bit(name: str, pair: Path, tmp_path: Path) -> None:
    result = train(name, tmp_path)
    check_equal(pair / "sharded" / name, tmp_path / name)
    again = train(name, pair / "sharded", shard_tables=True)
    assert (again.val, again.test, again.epochs) == (result.val, result.test, result.epochs)


def test_resumed_on_one_process(pair: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pair / "stopped", tmp_path / "stopped")
    assert not (folder / STOPPED / "run.json").exists()
    with pytest.raises(ValueError, match="'shard_tables' must be True"):
        train(STOPPED, folder, **OF_FOUR)
    train(STOPPED, folder, shard_tables=True, **OF_FOUR)
    train(STOPPED, tmp_path / "whole", **OF_FOUR)
    check_close(folder / STOPPED, tmp_path / "whole" / STOPPED)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4])
def test_resumed_on_several_processes(devices: int, pair: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pair / "stopped", tmp_path / "stopped")
    run("resume", folder, devices)
    train(STOPPED, tmp_path / "whole", **OF_FOUR)
    check_close(folder / STOPPED, tmp_path / "whole" / STOPPED)


def test_a_frozen_table_is_kept_as_it_was(tmp_path: Path) -> None:
    data = SyntheticMultimodal(NUM_USERS, NUM_ITEMS)[0]

    def fit(folder: Path, shard: bool, epochs: int = 2) -> models.BPR:
        torch.manual_seed(0)
        model = models.BPR(NUM_USERS, NUM_ITEMS, hidden_channels=4)
        model.user_embedding.weight.requires_grad_(False)
        Trainer(**{**OPTIONS, "epochs": epochs}, shard_tables=shard).fit(model, data, folder)
        return model

    fit(tmp_path / "sharded", True, epochs=1)
    found, expected = fit(tmp_path / "sharded", True), fit(tmp_path / "whole", False)
    check_equal(tmp_path / "sharded", tmp_path / "whole")
    for part, whole in zip(found.tables, expected.tables, strict=True):
        assert part.equal(whole)


def test_other_models_are_refused() -> None:
    known = {CASES[name][0] for name in NAMES}
    for kind, options, _, _ in CASES.values():
        model = getattr(models, kind)(5, 4, {"image": 3, "text": 2}, **options)
        if kind in known:
            check_shardable(model)
            continue
        with pytest.raises(ValueError, match=f"'shard_tables' must be False for {kind}"):
            check_shardable(model)


def test_a_forward_of_its_own_is_declared() -> None:
    class Other(models.LightGCN):
        def forward(self, data: Any) -> Any:
            return super().forward(data)

    class Declared(Other):
        row_wise = True

    check_shardable(Declared(5, 4))
    with pytest.raises(ValueError, match="'shard_tables' must be False for Other"):
        check_shardable(Other(5, 4))


def test_wrong_options(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'num_partitions' must be at least 2"):
        train("bpr", tmp_path, shard_tables=True, num_partitions=1, batches_per_step=1)
    with pytest.raises(ValueError, match="'shard_tables' must be True or False"):
        train("bpr", tmp_path, shard_tables=1)
