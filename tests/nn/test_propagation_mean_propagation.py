import pytest
import torch

from soil_pyg.nn import MeanPropagation
from soil_pyg.ops.adjacency import Adjacency


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_equals_powers_of_the_dense_matrix(num_layers: int) -> None:
    torch.manual_seed(0)
    # Source 3 and target 1 have no edges.
    edge_index = torch.tensor([[0, 0, 1, 2, 2], [0, 2, 2, 0, 3]])
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    x = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    matrix = torch.eye(8, dtype=torch.float64)
    for (source, target), value in zip(edge_index.t().tolist(), weight, strict=True):
        matrix[source, 4 + target] = matrix[4 + target, source] = value
    matrix = matrix / matrix.sum(dim=1, keepdim=True)
    powers = [torch.linalg.matrix_power(matrix, n) for n in range(num_layers + 1)]
    expected = sum(powers) @ torch.cat(x) / len(powers)
    propagation = MeanPropagation(num_layers)
    torch.testing.assert_close(torch.cat(propagation(x, edge_index, weight)), expected)
    adjacency = Adjacency.from_edge_index(edge_index, weight, size=(4, 4))
    torch.testing.assert_close(torch.cat(propagation(x, adjacency)), expected)


def test_a_node_without_edges_keeps_its_features() -> None:
    x = torch.rand(2, 3), torch.rand(2, 3)
    source, target = MeanPropagation(2)(x, torch.tensor([[0], [1]]))
    torch.testing.assert_close(source[1], x[0][1])
    torch.testing.assert_close(target[0], x[1][0])


def test_repr_and_errors() -> None:
    assert str(MeanPropagation(2)) == "MeanPropagation(num_layers=2)"
    with pytest.raises(ValueError, match=r"'num_layers' must be at least 0 \(got -1\)"):
        MeanPropagation(-1)
