import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.training.epoch import TrainingLoss
from soil_pyg.training.triplet_loader import TripletLoader

RandomData = Callable[..., HeteroData]


def test_a_loss_that_cannot_be_compiled(
    random_data: RandomData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(graph: object, inputs: object) -> object:
        raise OSError("no c++")

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **options: compile(model, backend=broken))
    data = random_data()
    batch = next(iter(TripletLoader(data)))
    loss = TrainingLoss(BPR(30, 40), compile=True)
    with pytest.raises(RuntimeError, match=r"'compile'.*\(no c\+\+\)"):
        loss.terms(data, batch)


NO_COMPILER = """
import torch
from torch_geometric.data import HeteroData
from soil_pyg.models import BPR
from soil_pyg.training.epoch import TrainingLoss
from soil_pyg.typing import Triplets

batch = Triplets(*torch.tensor([[0], [1], [2]]))
TrainingLoss(BPR(3, 4), compile=True).terms(HeteroData(), batch)
"""


@pytest.mark.slow
def test_without_a_compiler(tmp_path: Path) -> None:
    environment = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", NO_COMPILER],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RuntimeError: 'compile' needs a compiler" in done.stderr
