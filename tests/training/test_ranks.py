import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from soil_pyg import models
from train_together import CASES, main

SCRIPT = Path(__file__).with_name("train_together.py")
MORTAL = SCRIPT.with_name("train_and_die.py")
NOBODY = 9
ONE_PROCESS = """
import sys, torch
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import LightGCN
from soil_pyg.training import Trainer

data = LightGCN.graph_transform()(SyntheticMultimodal(60, 40)[0])
found = []
for strategy in ("auto", "ddp"):
    torch.manual_seed(0)
    model = LightGCN(60, 40)
    trainer = Trainer(strategy=strategy, accelerator=sys.argv[1], epochs=3, batch_size=64)
    found.append((trainer.fit(model, data).history, model.user_embedding.weight))
assert torch.distributed.is_initialized()
assert found[0][0] == found[1][0]
assert torch.equal(found[0][1], found[1][1])
"""
WITHOUT_GRADIENT = {"slmrec": {"heads.image.bias", "heads.text.bias"}}
"""Parameters that no loss depends on, so that rounding alone moves them."""
IN_FLOAT32 = sorted(set(CASES) - {"soil_bf16"})
OF_FOUR = [name for name in IN_FLOAT32 if name != "pairs_of_partitions"]


def run(folder: Path, devices: int) -> Path:
    """Trains all cases on processes that Fabric starts."""
    command = [sys.executable, str(SCRIPT), str(folder), str(devices)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    main(folder, 1, [])
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("pair"), 2)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("four"), 4)


def run_until_killed(folder: Path, devices: int, victim: int, num_partitions: int = 1) -> str:
    """Trains on several processes, one of which is killed, and returns the errors."""
    command = [sys.executable, str(MORTAL), *map(str, (folder, devices, victim, num_partitions))]
    # The pipe is open until the last process has ended.
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode == 0) == (victim == NOBODY), ended.stderr
    return ended.stderr


def weights(folder: Path, name: str, rank: int) -> dict[str, Tensor]:
    return load_file(folder / f"{name}.{rank}.safetensors")


def result(folder: Path, name: str, rank: int) -> dict[str, Any]:
    return json.loads((folder / f"{name}.{rank}.json").read_text())


def check(name: str, alone: Path, together: Path, size: int) -> None:
    expected, found = result(alone, name, 0), result(together, name, 0)
    for rank in range(1, size):
        assert result(together, name, rank) == found
        for key, value in weights(together, name, rank).items():
            assert torch.equal(value, weights(together, name, 0)[key]), key
    assert (found["val"], found["test"]) == (expected["val"], expected["test"])
    assert [entry["val"] for entry in found["history"]] == [
        entry["val"] for entry in expected["history"]
    ]
    for entry, other in zip(found["history"], expected["history"], strict=True):
        assert entry["loss"] == pytest.approx(other["loss"], rel=1e-5)
    first = weights(together, name, 0)
    for key, value in weights(alone, name, 0).items():
        if key not in WITHOUT_GRADIENT.get(name, ()):
            # Processors add the gradients of a bias in orders of their own.
            assert (first[key] - value).norm() <= 2e-5 * value.norm(), key


def test_every_model_is_trained_together() -> None:
    names = {name for name in models.__all__ if name not in ("Recommender", "EmbeddingRecommender")}
    kinds = {name for name in names if isinstance(getattr(models, name), type)}
    kinds = {name for name in kinds if issubclass(getattr(models, name), models.Recommender)}
    assert kinds == {case[0] for case in CASES.values()}


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_two_processes_against_one(name: str, alone: Path, pair: Path) -> None:
    check(name, alone, pair, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_FOUR)
def test_four_processes_against_one(name: str, alone: Path, four: Path) -> None:
    check(name, alone, four, 4)


def test_an_error_of_one_process_is_that_of_all(alone: Path, pair: Path) -> None:
    one, first, second = (
        json.loads((folder / f"errors.{rank}.json").read_text())
        for folder, rank in [(alone, 0), (pair, 0), (pair, 1)]
    )
    assert one["disagree"] == ["[0]", "0", "from 0", "from 0"]
    assert first["disagree"] == second["disagree"] == ["[0, 1]", "0", "from 1", "from 0"]
    assert "'bpr' became inf in epoch 1, batch 1 of 1" in one["lose"]
    assert first["lose"] == second["lose"] == one["lose"]


def test_two_partitions_per_step_to_the_last_bit(alone: Path, pair: Path) -> None:
    expected = weights(alone, "pairs_of_partitions", 0)
    for key, value in weights(pair, "pairs_of_partitions", 0).items():
        assert torch.equal(value, expected[key]), key
    assert result(pair, "pairs_of_partitions", 0) == result(alone, "pairs_of_partitions", 0)


def test_processes_agree_in_bfloat16(alone: Path, pair: Path) -> None:
    found, other = (result(pair, "soil_bf16", rank) for rank in (0, 1))
    assert found == other
    for entry, expected in zip(
        found["history"], result(alone, "soil_bf16", 0)["history"], strict=True
    ):
        assert entry["loss"] == pytest.approx(expected["loss"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("num_partitions", [1, 4])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed_ends_the_run(
    tmp_path: Path, victim: int, num_partitions: int
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_until_killed(whole, 2, NOBODY, num_partitions)
    assert "has lost another" in run_until_killed(killed, 2, victim, num_partitions)
    assert [path.name for path in killed.iterdir()] == ["state.safetensors"]
    for devices in (1, 4):
        other = tmp_path / str(devices)
        shutil.copytree(killed, other)
        run_until_killed(other, devices, NOBODY, num_partitions)
        for found, expected in zip(history(other), history(whole), strict=True):
            assert found["val"] == expected["val"]
            assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    run_until_killed(killed, 2, NOBODY, num_partitions)
    assert history(killed) == history(whole)
    # The state holds the seconds of the run.
    for path in set(whole.glob("*.safetensors")) - {whole / "state.safetensors"}:
        assert path.read_bytes() == (killed / path.name).read_bytes(), path.name


def history(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "run.json").read_text())["history"]


@pytest.mark.parametrize(
    "accelerator",
    [
        pytest.param("cpu", marks=pytest.mark.slow),
        pytest.param("cuda", marks=pytest.mark.gpu),
    ],
)
def test_one_process_with_a_strategy(accelerator: str) -> None:
    command = [sys.executable, "-c", ONE_PROCESS, accelerator]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
