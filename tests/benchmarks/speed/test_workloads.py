from pathlib import Path

import pytest
from torch_geometric.data import HeteroData

from soil_bench.speed import roofline, workloads
from soil_bench.speed.inputs import load_graphs
from soil_bench.speed.workloads import (
    alternate_steps,
    build_fast,
    first_parts,
    train,
    train_parts,
)
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.datasets.storage import save_data
from soil_pyg.training.partition_loader import PartitionLoader


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the graphs of 100 users and 60 items."""
    folder = tmp_path_factory.mktemp("graphs")
    data = SyntheticMultimodal(num_users=100, num_items=60, modalities={"smell": 8})[0]
    save_data(data, folder / "inputs")
    record = build_fast(str(folder / "inputs"), str(folder / "fast"), "cpu")
    interactions = data["user", "interacts", "item"].edge_index.size(1)
    assert record["size"] == {"users": 100, "items": 60, "interactions": interactions}
    return str(folder / "fast")


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


def test_whole_and_extrapolated_epochs(graphs: str) -> None:
    interactions = load_graphs(graphs)["user", "interacts", "item"].edge_index.size(1)
    whole = train(graphs, None, 64, "cpu")
    assert whole["batches"] == len(whole["steps"]) == -(-interactions // 64)
    assert whole["epoch_seconds"] == pytest.approx(sum(whole["steps"]))
    assert not whole["extrapolated"]
    few = train(graphs, 3, 64, "cpu")
    assert (few["batches"], len(few["steps"]), few["extrapolated"]) == (whole["batches"], 3, True)
    assert few["epoch_seconds"] == pytest.approx(few["batches"] * sum(few["steps"]) / 3)
    enough = train(graphs, whole["batches"] - 2, 64, "cpu")
    assert (len(enough["steps"]), enough["extrapolated"]) == (whole["batches"], False)


def test_epochs_on_parts(graphs: str) -> None:
    loader = PartitionLoader(load_graphs(graphs), batch_size=64, num_partitions=3)
    parts = [{number: part for number, part, _ in first_parts(loader, n)} for n in (1, 2, 9)]
    assert [list(part) for part in parts] == [[0], [0, 1], [0, 1, 2]]
    assert len(set(map(id, parts[-1].values()))) == 3
    few, whole = (train_parts(graphs, 3, parts, 64, "cpu") for parts in (2, 9))
    assert (few["extrapolated"], whole["extrapolated"]) == (True, False)
    assert len(few["steps"]) < len(whole["steps"]) == len(loader)
    taken = sum(few["steps"])
    # What comes before the first part counts once, the parts as many times as there are more.
    assert taken < few["epoch_seconds"] <= 1.5 * taken
    assert few["epoch_seconds"] >= 1.5 * taken - 0.5 * few["steps"][0]
    assert whole["epoch_seconds"] == pytest.approx(sum(whole["steps"]))
    one = train_parts(graphs, 3, 1, 64, "cpu")
    assert one["epoch_seconds"] == pytest.approx(3 * sum(one["steps"]))


def test_steps_leave_out_the_warm_up(graphs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "COPIED", 2**12)
    times = alternate_steps(graphs, steps=7, batch_size=512, device="cpu")
    assert list(times) == ["fast", "roofline"]
    parts = ["features", "contrasts", "fusion", "propagation", "Adam"]
    assert list(times["roofline"]["parts"]) == parts
    assert 0 < times["roofline"]["seconds"] < 1
    assert len(times["fast"]) == 7
    assert min(times["fast"]) > 0
