import pytest

from soil_bench.speed.epochs import even_groups, first_parts, train, train_parts
from soil_bench.speed.inputs import load_graphs
from soil_pyg.training import batches_per_step
from soil_pyg.training.partition_loader import PartitionLoader


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


def test_steps_on_several_batches(graphs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_per_step, "STEPS", 5)
    whole = train(graphs, None, 64, "cpu")
    assert whole["batches_per_step"] == -(-whole["batches"] // 5) > 1
    assert len(whole["steps"]) == -(-whole["batches"] // whole["batches_per_step"])
    assert not whole["extrapolated"]
    few = train(graphs, 2, 64, "cpu")
    assert (len(few["steps"]), few["extrapolated"]) == (2, True)
    mean = sum(few["steps"]) / 2
    assert few["epoch_seconds"] == pytest.approx(len(whole["steps"]) * mean)


def test_even_groups() -> None:
    assert even_groups([1.0, 2.0, 3.0, 4.0, 5.0], 2) == [[1.0, 2.0], [3.0, 4.0, 5.0]]
