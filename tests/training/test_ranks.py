import json
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
WITHOUT_GRADIENT = {"slmrec": {"heads.image.bias", "heads.text.bias"}}
"""Parameters that no loss depends on, so that rounding alone moves them."""
IN_FLOAT32 = sorted(set(CASES) - {"soil_bf16"})
OF_FOUR = [name for name in IN_FLOAT32 if name != "pairs_of_partitions"]


def run(folder: Path, devices: int) -> Path:
    """Trains all cases on processes that Fabric starts."""
    command = [sys.executable, str(SCRIPT), str(folder), str(devices)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
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
            assert (first[key] - value).norm() <= 1e-5 * value.norm(), key


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
