import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.pruned_interactions import (
    PRUNED,
    draw_edges,
    prune_interactions,
    trained_interactions,
)
from soil_pyg.typing import INTERACTS, ITEM, USER


@pytest.mark.parametrize("weight", [[1.0, 2.0, 5.0], [1.0, 1.0, 1.0]])
def test_draws_follow_the_weights(weight: list[float]) -> None:
    """The first two of three follow the probabilities of a draw without replacement."""
    torch.manual_seed(0)
    count, num_draws, p = np.zeros(3), 3000, np.array(weight) / sum(weight)
    for _ in range(num_draws):
        drawn = draw_edges(torch.tensor(weight), 2)
        assert len(set(drawn.tolist())) == 2
        count[drawn.numpy()] += 1
    expected = [p[e] + sum(p[f] * p[e] / (1 - p[f]) for f in range(3) if f != e) for e in range(3)]
    np.testing.assert_allclose(count / num_draws, expected, atol=0.03)


def test_kept_interactions_have_degrees_of_their_own() -> None:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 2, 2
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    assert trained_interactions(data, training=True) == INTERACTS
    prune_interactions(data, torch.tensor([0, 3, 1]))
    half = 0.5**0.5
    expected = torch.tensor([[half, 0], [0.5, half]])
    torch.testing.assert_close(data[PRUNED].adjacency.to_dense(), expected)
    assert trained_interactions(data, training=True) == PRUNED
    assert trained_interactions(data, training=False) == INTERACTS
