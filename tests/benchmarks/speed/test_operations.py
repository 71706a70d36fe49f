from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from soil_bench.speed.operations import count_operations
from soil_bench.speed.roofline import count, edge_bytes
from soil_bench.speed.workloads import load_graphs, make_fast
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.training.triplet_loader import TripletLoader

X = torch.rand(6, 4)
ROWS = torch.tensor([0, 0, 5])
GRAPH = Adjacency.from_edge_index(torch.tensor([[0, 1, 5], [2, 0, 1]]), size=(6, 3))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: X @ X.t(), {"flop": 2 * 6 * 6 * 4}),
        (lambda: torch.addmm(X[0], X, X[:4]), {"flop": 2 * 6 * 4 * 4}),
        (lambda: F.softmax(X, dim=1), {"exp": 24}),
        (lambda: F.logsigmoid(X), {"exp": 24}),
        (lambda: torch.rand_like(X), {"random": 24}),
        (lambda: torch.empty(7).uniform_(), {"random": 7}),
        (lambda: GRAPH.matmul(X), {"edge_bytes": 3 * edge_bytes(4)}),
        (lambda: X.index_select(0, ROWS), {"gather_bytes": 3 * 4 * 4}),
        (lambda: F.embedding(ROWS, X), {"gather_bytes": 3 * 4 * 4}),
        (lambda: X.clone().index_add_(0, ROWS, X[:3]), {"gather_bytes": 3 * 4 * 4}),
        (lambda: X.relu() + X, {}),
    ],
)
def test_counts(function: Callable[[], Any], expected: dict[str, int]) -> None:
    found = count_operations(function)
    assert {name: amount for name, amount in found.items() if amount} == expected


def test_gradients_are_counted() -> None:
    weight = torch.rand(4, 3, requires_grad=True)
    once = count_operations(lambda: X @ weight)["flop"]
    # Features have no gradient.
    assert count_operations(lambda: (X @ weight).sum().backward())["flop"] == 2 * once


def test_a_step_of_soil_performs_what_its_definition_asks_for(graphs: str) -> None:
    data = load_graphs(graphs)
    model = make_fast(data, "cpu")
    batch = next(iter(TripletLoader(data, 64)))
    parts = count(data, model, batch)
    wanted = {
        name: sum(part.get(name, 0) for part in parts.values())
        for name in ("flop", "exp", "gather_bytes")
    }
    found = count_operations(lambda: sum(model.loss(data, batch).values()).backward())
    assert 1 <= found["flop"] / wanted["flop"] < 1.5
    assert 1 <= found["exp"] / wanted["exp"] < 2.5
    assert 1 <= found["edge_bytes"] / wanted["gather_bytes"] < 1.5
