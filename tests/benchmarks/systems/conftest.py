import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_bench.runs import guest
from soil_bench.runs.environments import ENVIRONMENTS, Environment
from soil_bench.systems import command, contestants
from soil_bench.systems.contestants import ADAPTERS, BOTH, System
from soil_bench.systems.problem import Problem, Settings
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.ranking.evaluator import held_out
from soil_pyg.typing import INTERACTS

# Scores of users are those of the identity: a user likes the item of the same number.
FAKE = """
import numpy as np

DISTRIBUTIONS = ["numpy"]

def run(problem, turns):
    settings = problem.settings
    for _ in turns.epochs():
        if settings.lr > 1:
            raise RuntimeError("diverged\\nat once")
    turns.evaluate(lambda: 0.5)
    size = settings.num_users, settings.num_items
    return np.eye(size[0], 8, dtype=np.float32), np.eye(size[1], 8, dtype=np.float32)
"""


@pytest.fixture
def data() -> HeteroData:
    return SyntheticMultimodal(40, 30)[0]


@pytest.fixture
def make_problem(data: HeteroData) -> Any:
    def make(model: str = "bpr", **options: Any) -> Problem:
        values = {"lr": 0.01, "sgd_lr": 0.1, "reg": 1e-4, "epochs": 2, "threads": 1, "seed": 0}
        values |= {"hidden_channels": 8, "num_layers": 2, "batch_size": 64} | options
        settings = Settings(model, num_users=40, num_items=30, **values)
        train = np.unique(data[INTERACTS].edge_index.numpy(), axis=1)
        return Problem(settings, train, held_out(data, "val").numpy())

    return make


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an environment "toy", which has the interpreter of this process, and of one
    that cannot be installed.
    """
    folder = tmp_path / "environments"
    for name in ("toy", "broken"):
        monkeypatch.setitem(ENVIRONMENTS, name, Environment(name, (name,), is_isolated=True))
        (folder / name / "bin").mkdir(parents=True)
        receipt = {"requirements": [name], "error": "no wheel" if name == "broken" else None}
        (folder / name / "receipt.json").write_text(json.dumps(receipt))
    python = folder / "toy" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.fixture
def fake(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A system that takes a moment, in the environment "toy"."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "fake_system.py").write_text(FAKE)
    monkeypatch.setattr(guest, "ROOTS", [*guest.ROOTS, code])
    monkeypatch.syspath_prepend(os.fspath(code))
    return System("fake", "fake_system", BOTH, "toy", "does nothing")


@pytest.fixture
def two_systems(fake: System, monkeypatch: pytest.MonkeyPatch) -> list[System]:
    """Ours, the fake one, and one that is absent."""
    systems = [
        System("soil_pyg", f"{ADAPTERS}.ours", BOTH),
        fake,
        System("absent", "fake_system", ("bpr",), "broken"),
    ]
    for module in (contestants, command):
        monkeypatch.setattr(module, "SYSTEMS", systems)
    return systems


class Turns:
    """Gives turns at once, in this process."""

    def __init__(self, epochs: int) -> None:
        self.num_epochs = epochs
        self.log: list[tuple[str, float | None]] = []

    def epochs(self) -> Iterator[int]:
        for epoch in range(self.num_epochs):
            yield epoch
            self.log.append(("train", None))

    def evaluate(self, evaluation: Any) -> None:
        self.log += [("evaluate", evaluation()) for _ in range(self.num_epochs)]

    def begin(self) -> None:
        pass

    def end(self, task: str, recall: float | None = None) -> None:
        self.log.append((task, recall))


@pytest.fixture
def turns() -> Any:
    @contextmanager
    def on_one_thread(epochs: int) -> Iterator[Turns]:
        threads = torch.get_num_threads()
        try:
            yield Turns(epochs)
        finally:
            torch.set_num_threads(threads)

    return on_one_thread
