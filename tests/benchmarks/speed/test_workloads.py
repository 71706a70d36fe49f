from pathlib import Path

import pytest
from torch_geometric.data import HeteroData

from soil_bench.speed import roofline, workloads
from soil_bench.speed.workloads import (
    alternate_steps,
    build_fast,
)
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.datasets.storage import save_data


def test_how_neighbours_were_searched(
    graphs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def transform(data: HeteroData) -> HeteroData:
        data["item", "smell_similar", "item"].search = {"index": "IVF4,Flat", "recall": 0.5}
        return data

    monkeypatch.setattr(workloads.SOIL, "graph_transform", lambda profile, **options: transform)
    save_data(SyntheticMultimodal(num_users=20, num_items=9)[0], tmp_path / "inputs")
    record = build_fast(str(tmp_path / "inputs"), str(tmp_path / "fast"), "cpu")
    assert record["search"] == {
        "item/smell_similar/item": {"index": "IVF4,Flat", "recall": 0.5},
    }


def test_steps_leave_out_the_warm_up(graphs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "COPIED", 2**12)
    times = alternate_steps(graphs, steps=7, batch_size=512, device="cpu")
    assert list(times) == ["fast", "roofline"]
    parts = ["features", "contrasts", "fusion", "propagation", "Adam"]
    assert list(times["roofline"]["parts"]) == parts
    assert 0 < times["roofline"]["seconds"] < 1
    assert len(times["fast"]) == 7
    assert min(times["fast"]) > 0
