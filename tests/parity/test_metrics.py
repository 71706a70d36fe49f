from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.typing import INTERACTS, ITEM, USER


class Scores(torch.nn.Module):
    """Scores that are given: the items' embeddings are the columns, the users' one-hot."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return torch.eye(self.scores.size(0)), self.scores.t()


@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_metrics_equal_the_published_ones(
    golden: Callable[[str], dict[str, np.ndarray]], memory_budget: int
) -> None:
    values = golden("metrics")
    scores = torch.from_numpy(values["scores"])
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = scores.size()
    data[INTERACTS].edge_index = torch.from_numpy(values["train_edge_index"])
    data[INTERACTS].test_edge_label_index = torch.from_numpy(values["test_edge_index"])
    expected = {name: float(value) for name, value in values.items() if "@" in name}
    ks = sorted({int(name.split("@")[1]) for name in expected})
    metrics = Evaluator(ks, memory_budget).evaluate(Scores(scores), data, "test")
    assert expected.keys() == metrics.keys()
    assert metrics == pytest.approx(expected, abs=1e-6)
