import pytest
import torch
import torch.nn.functional as F

from api_cases import wrong_arguments
from soil_pyg.nn import Adjacency, MMGCNConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 2], [0, 0, 1, 0]])


@pytest.mark.parametrize("concat", [True, False])
def test_equals_the_definition(concat: bool) -> None:
    torch.manual_seed(0)
    source, target = torch.randn(3, 4, dtype=torch.double), torch.randn(3, 4, dtype=torch.double)
    conv, identity = MMGCNConv(4, 2, concat).double(), torch.randn(3, 2, dtype=torch.double)
    means = torch.stack([source.mean(dim=0), source[2], torch.zeros(4, dtype=torch.double)])
    out = conv((source, target), identity, EDGE_INDEX)
    for node, mean in enumerate(means):
        near = F.leaky_relu(conv.neighbour.weight @ mean)
        own = conv.own.weight @ target[node] + conv.own.bias
        own = F.leaky_relu(own) + identity[node]
        expected = conv.merge(torch.cat([near, own])) if concat else conv.merge(near) + own
        torch.testing.assert_close(out[node], F.leaky_relu(expected))
    matrix = Adjacency.from_edge_index(EDGE_INDEX, size=(3, 3))
    torch.testing.assert_close(conv((source, target), identity, matrix), out)


def test_repr() -> None:
    assert str(MMGCNConv(4, 2)) == "MMGCNConv(4, 2, concat=True)"


test_wrong_arguments = wrong_arguments("MMGCNConv")
