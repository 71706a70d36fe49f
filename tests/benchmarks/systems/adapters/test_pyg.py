from typing import Any

import pytest
from torch_geometric.data import HeteroData

from soil_bench.systems.adapters.pyg import run
from soil_bench.systems.race import evaluate


def test_it_trains_and_evaluates_as_ours_does(
    make_problem: Any, turns: Any, data: HeteroData
) -> None:
    with turns(2) as given:
        tables = run(make_problem("lightgcn", lr=0.05), given)
    assert [task for task, _ in given.log] == ["train"] * 2 + ["evaluate"] * 2
    assert [table.shape for table in tables] == [(40, 8), (30, 8)]
    recall = evaluate(*tables, data)["recall@20"]
    assert recall == pytest.approx(given.log[-1][1], abs=1e-6)
    with turns(1) as given:
        untrained = run(make_problem("lightgcn", epochs=1, lr=1e-9), given)
    assert recall > evaluate(*untrained, data)["recall@20"]
