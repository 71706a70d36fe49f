import pytest
import torch
from torch_geometric import EdgeIndex

from api_cases import wrong_arguments
from soil_pyg.nn import LightPropagation, MeanPropagation
from soil_pyg.ops.adjacency import Adjacency

EDGE_INDEX = torch.tensor([[0, 1, 1, 2], [0, 0, 2, 3]])
EDGE_WEIGHT = torch.tensor([0.5, -1.0, 2.0, 0.25], dtype=torch.float64)
SYMMETRIC = torch.zeros(7, 7, dtype=torch.float64)
SYMMETRIC[EDGE_INDEX[0], EDGE_INDEX[1] + 3] = EDGE_WEIGHT
SYMMETRIC += SYMMETRIC.t().clone()


@pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
@pytest.mark.parametrize("form", ["edge_index", "by_column", "adjacency"])
def test_equals_the_mean_of_the_powers(num_layers: int, form: str) -> None:
    edge_index: torch.Tensor | Adjacency = EDGE_INDEX
    weight: torch.Tensor | None = EDGE_WEIGHT
    if form == "by_column":
        edge_index = EdgeIndex(EDGE_INDEX, sparse_size=(3, 4), sort_order="col")
    elif form == "adjacency":
        edge_index, weight = Adjacency.from_edge_index(EDGE_INDEX, EDGE_WEIGHT, (3, 4)), None
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    mean = torch.zeros(7, 7, dtype=torch.float64)
    for layer in range(num_layers + 1):
        mean += torch.linalg.matrix_power(SYMMETRIC, layer) / (num_layers + 1)
    out = torch.cat(LightPropagation(num_layers)(x.split([3, 4]), edge_index, weight))
    torch.testing.assert_close(out, mean @ x)
    (grad,) = torch.autograd.grad(out.square().sum(), x)
    torch.testing.assert_close(grad, 2 * mean.t() @ mean @ x.detach())


def test_inputs_stay_as_they_are() -> None:
    users, items = torch.ones(3, 2), torch.ones(4, 2)
    LightPropagation(2)((users, items), EDGE_INDEX)
    assert users.equal(torch.ones(3, 2))
    assert items.equal(torch.ones(4, 2))


@pytest.mark.parametrize("kind", [LightPropagation, MeanPropagation])
def test_repr_and_errors(kind: type[LightPropagation | MeanPropagation]) -> None:
    assert str(kind(num_layers=2)) == f"{kind.__name__}(num_layers=2)"
    with pytest.raises(ValueError, match=r"'num_layers'.*got -1"):
        kind(num_layers=-1)


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


test_wrong_arguments = wrong_arguments("LightPropagation", "MeanPropagation")
