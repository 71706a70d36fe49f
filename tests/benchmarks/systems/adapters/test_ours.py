from typing import Any

import numpy as np
import pytest
from torch_geometric.data import HeteroData

from soil_bench.systems.adapters.ours import run
from soil_bench.systems.race import evaluate


@pytest.mark.parametrize("model", ["bpr", "lightgcn"])
def test_turns_and_embeddings(model: str, make_problem: Any, turns: Any, data: HeteroData) -> None:
    with turns(3) as given:
        tables = run(make_problem(model, epochs=3), given)
    assert [task for task, _ in given.log] == ["train", "evaluate"] * 3
    assert [table.shape for table in tables] == [(40, 8), (30, 8)]
    assert all(table.dtype == np.float32 for table in tables)
    # Those after the last epoch, not the best ones.
    assert evaluate(*tables, data)["recall@20"] == pytest.approx(given.log[-1][1])
    assert len({recall for task, recall in given.log if task == "evaluate"}) > 1
