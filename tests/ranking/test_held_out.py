from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.ranking import held_out as module
from soil_pyg.ranking.held_out import held_out
from soil_pyg.typing import INTERACTS


def test_pairs_are_found_once_for_the_same_edges(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    compute = module._held_out
    monkeypatch.setattr(module, "_held_out", lambda *a: (calls.append(a), compute(*a))[1])
    store = data[INTERACTS]
    store.val_edge_label_index = torch.cat([store.val_edge_label_index] * 2, dim=1)
    first = held_out(data, "val")
    assert first.size(1) == store.val_edge_label_index.size(1) // 2
    assert held_out(data, "val") is first
    assert len(calls) == 1

    # Edges that change make the first pair a training pair.
    store.edge_index = torch.cat([store.edge_index, first[:, :1]], dim=1)
    later = held_out(data, "val")
    assert later.t().tolist() == first[:, 1:].t().tolist()
    assert len(calls) == 2
