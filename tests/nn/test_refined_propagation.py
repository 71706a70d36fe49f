import numpy as np
import pytest
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import RefinedPropagation

EDGE_INDEX = torch.tensor([[0, 1, 1, 2], [0, 0, 2, 3]])
EDGE_WEIGHT = torch.tensor([0.5, -1.0, 2.0, 0.25], dtype=torch.float64)


@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_equals_the_loop(num_layers: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 3, dtype=torch.float64)
    matrix = np.zeros((7, 7))
    for (source, target), value in zip(EDGE_INDEX.t().tolist(), EDGE_WEIGHT.tolist(), strict=True):
        matrix[source, 3 + target] = matrix[3 + target, source] = value
    layer, total = x.numpy(), np.zeros((7, 3))
    for _ in range(num_layers):
        y = matrix @ layer
        layer = np.zeros_like(y)
        for node, (sent, start) in enumerate(zip(y, x.numpy(), strict=True)):
            # Target 1 has no edges.
            if np.linalg.norm(sent) > 0:
                cosine = sent @ start / np.linalg.norm(sent) / np.linalg.norm(start)
                layer[node] = cosine * sent
        total += layer
    found = RefinedPropagation(num_layers)(x.split([3, 4]), EDGE_INDEX, EDGE_WEIGHT)
    np.testing.assert_allclose(torch.cat(found), total, atol=1e-12)


def test_gradients_of_nodes_without_edges_are_finite() -> None:
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    found = RefinedPropagation(2)(x.split([3, 4]), EDGE_INDEX, EDGE_WEIGHT)
    (grad,) = torch.autograd.grad(torch.cat(found).square().sum(), x)
    assert grad.isfinite().all()


def test_repr_and_errors() -> None:
    assert str(RefinedPropagation(3)) == "RefinedPropagation(num_layers=3)"
    with pytest.raises(ValueError, match=r"'num_layers'.*got 0"):
        RefinedPropagation(0)


test_wrong_arguments = wrong_arguments("RefinedPropagation")
