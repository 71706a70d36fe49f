from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import InfoNCELoss, NeighbourLoss
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.edge_products import edge_products, edge_sum

MATRIX = Adjacency.from_edge_index(torch.tensor([[0, 1, 2], [1, 2, 2]]), size=(3, 3))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("InfoNCELoss", lambda x: InfoNCELoss()(x, x)),
        ("NeighbourLoss", lambda x: NeighbourLoss(1)([x], torch.arange(3))),
        ("edge_sum", lambda x: edge_sum(x, x[:, 0], MATRIX).sum()),
        ("edge_products", lambda x: edge_products(x, x, MATRIX).sum()),
    ],
)
def test_a_second_derivative_is_refused(name: str, function: Callable[[Tensor], Tensor]) -> None:
    x = torch.eye(3).requires_grad_()
    (grad,) = torch.autograd.grad(function(x), x)
    assert grad.abs().sum() > 0
    with pytest.raises(NotImplementedError, match=f"^{name} has no second derivative"):
        torch.autograd.grad(function(x), x, create_graph=True)
