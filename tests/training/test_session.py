import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.training.session import Session
from soil_pyg.typing import INTERACTS


def test_the_model_returns_to_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    data, moves = HeteroData(), []
    data[INTERACTS].edge_index = torch.empty(2, 0, device="meta")
    monkeypatch.setattr(BPR, "to", lambda self, device: moves.append(str(device)))
    others = dict.fromkeys(("ranks", "module", "loader", "run", "evaluator", "progress"))
    session = Session(model=BPR(2, 3), data=data, **others)
    with session.on_data_device():
        assert moves == ["meta"]
    assert moves == ["meta", "cpu"]
