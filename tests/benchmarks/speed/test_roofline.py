import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.speed import roofline
from soil_bench.speed.roofline import (
    count,
    describe,
    fastest,
    least,
    measure_rates,
    roofline_of_step,
)
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import Triplets

BATCH = Triplets(torch.tensor([0, 2, 0]), torch.tensor([1, 1, 3]), torch.tensor([2, 0, 2]))


pytestmark = pytest.mark.usefixtures("small_rates")


@pytest.fixture
def data() -> HeteroData:
    def matrix(edges: list[tuple[int, int]], num_sources: int) -> Adjacency:
        return Adjacency.from_edge_index(torch.tensor(edges).t(), size=(num_sources, 4))

    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 4
    data["item"].x_image, data["item"].x_smell = torch.rand(4, 5), torch.rand(4, 3)
    data[USER_ITEM].adjacency = matrix([(0, 0), (0, 1), (1, 1), (2, 2), (2, 3)], 3)
    data[AGGREGATION].adjacency = matrix(
        [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3), (2, 3)], 3
    )
    data[item_item("image")].adjacency = matrix([(0, 0), (1, 2), (2, 1)], 4)
    smell = [(0, 0), (0, 1), (1, 0), (2, 2), (2, 3), (3, 3)]
    data[item_item("smell")].adjacency = matrix(smell, 4)
    return data


def test_amounts_of_two_modalities(data: HeteroData) -> None:
    model = SOIL.released(3, 4, {"image": 5, "smell": 3}, hidden_channels=2)
    # Two users and two positives are distinct. Edges: 2 layers of 5 both ways, 3 + 6 between
    # items, and 3 to the users of the batch for each modality.
    assert count(data, model, BATCH) == {
        "features": {"flop": 4 * 4 * 8 * 2 + 6 * 2 * 4 * 4, "copy_bytes": 2 * 4 * 4 * 8},
        "contrasts": {"flop": 6 * 2 * 16, "exp": 16},
        "fusion": {"flop": 6 * 2 * 7 * 4},
        "propagation": {"gather_bytes": 2 * 35 * (4 * 2 + 8)},
        "Adam": {"copy_bytes": 28 * 54},
    }


def test_a_single_view_is_not_fused(data: HeteroData) -> None:
    model = SOIL.released(3, 4, {"smell": 3}, hidden_channels=2, num_layers=1, num_item_layers=2)
    amounts = count(data, model, BATCH)
    assert amounts["fusion"] == {"flop": 0}
    assert amounts["propagation"] == {"gather_bytes": 2 * (2 * 5 + 2 * 6 + 3) * 16}


def test_the_longer_of_operations_and_bytes_counts() -> None:
    parts = {
        "a": {"flop": 10.0, "exp": 4.0, "copy_bytes": 30.0},
        "b": {"gather_bytes": 6.0, "copy_bytes": 50.0},
        "c": {"flop": 1.0, "copy_bytes": 100.0},
    }
    rates = {"flop": 10.0, "exp": 4.0, "gather_bytes": 2.0, "copy_bytes": 100.0}
    found = least(parts, rates)
    assert [part["seconds"] for part in found["parts"].values()] == [2.0, 3.5, 1.0]
    assert found["seconds"] == 6.5
    assert found["rates"] == rates
    assert found["parts"]["a"].items() >= parts["a"].items()
    assert describe(found).startswith("roofline of the step, ms: a 2e+03, b 3.5e+03, c 1e+03;")


def test_rates_are_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(functions: dict[str, object], *_: object) -> dict[str, list[float]]:
        return {name: [9.0, 0.5, 2.0] for name in functions}

    monkeypatch.setattr(roofline, "time_alternately", seconds)
    assert measure_rates("cpu", channels=16) == {
        "flop": 32**3,
        "exp": 32,
        "gather_bytes": 64 * (4 * 16 + 8),
        "copy_bytes": 4 * 256,
    }


def test_rows_are_gathered_no_slower_than_copied() -> None:
    rates = {"flop": 1.0, "exp": 1.0, "gather_bytes": 2.0, "copy_bytes": 5.0}
    assert fastest(rates) == rates | {"gather_bytes": 5.0}
    assert fastest(rates | {"gather_bytes": 7.0}) == rates | {"gather_bytes": 7.0}


def test_what_is_timed_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done: dict[str, Tensor] = {}

    def call(functions: dict[str, object], *_: object) -> dict[str, list[float]]:
        for name, function in functions.items():
            assert callable(function)
            done[name] = function()
        return {name: [1.0] for name in functions}

    monkeypatch.setattr(roofline, "time_alternately", call)
    measure_rates("cpu", channels=16)
    assert {name: tuple(result.size()) for name, result in done.items()} == {
        "flop": (32, 32),
        "exp": (64,),
        "gather_bytes": (2, 16),
        "copy_bytes": (256,),
    }


def test_floor_of_a_step_on_this_machine(data: HeteroData) -> None:
    model = SOIL.released(3, 4, {"image": 5, "smell": 3}, hidden_channels=2)
    found = roofline_of_step(data, model, BATCH)
    assert 0 < found["seconds"] < 1
    assert found["seconds"] == sum(part["seconds"] for part in found["parts"].values())
    assert list(found["rates"]) == ["flop", "exp", "gather_bytes", "copy_bytes"]
    assert min(found["rates"].values()) > 0
