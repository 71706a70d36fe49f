import pytest
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import BipartiteConv, LightConv
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.sampled_adjacency import SampledAdjacency, column_totals, row_totals


@pytest.fixture
def part() -> Adjacency:
    dense = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.5, 4.0]])
    target, source = dense.nonzero().t()
    return Adjacency.from_edge_index(torch.stack([source, target]), dense[target, source], (3, 2))


@pytest.fixture
def sampled(part: Adjacency) -> SampledAdjacency:
    return SampledAdjacency(part, torch.tensor([1.0, 3.0]), torch.tensor([2.0, 1.0, 0.5]))


FORWARD = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.5, 12.0]])
BACKWARD = torch.tensor([[4.0, 0.0], [0.0, 0.5], [-0.5, 2.0]])


def test_rows_are_scaled_in_both_directions(sampled: SampledAdjacency) -> None:
    assert torch.equal(sampled.to_dense(), FORWARD)
    assert torch.equal(sampled.t().to_dense(), BACKWARD)
    assert sampled.t().t() is sampled
    assert sampled.t() is sampled.t()
    assert str(sampled) == "SampledAdjacency(2, 3, num_edges=4)"


@pytest.mark.parametrize("transposed", [False, True])
def test_products_and_gradients(sampled: SampledAdjacency, transposed: bool) -> None:
    matrix, dense = (sampled.t(), BACKWARD) if transposed else (sampled, FORWARD)
    x = torch.arange(2.0 * dense.size(1)).view(-1, 2).requires_grad_()
    out = matrix @ x
    weight = torch.arange(1.0, 1.0 + out.numel()).view_as(out)
    assert torch.equal(out, dense @ x)
    (grad,) = torch.autograd.grad((out * weight).sum(), x)
    assert torch.equal(grad, dense.t() @ weight)


def test_layers_take_it(sampled: SampledAdjacency) -> None:
    users, items = torch.rand(3, 2), torch.rand(2, 2)
    out_users, out_items = BipartiteConv()((users, items), sampled)
    torch.testing.assert_close(out_users, BACKWARD @ items)
    torch.testing.assert_close(out_items, FORWARD @ users)
    torch.testing.assert_close(LightConv()((users, None), sampled), FORWARD @ users)


def test_lower_precision_stays(sampled: SampledAdjacency) -> None:
    out = sampled @ torch.ones(3, 2, dtype=torch.bfloat16)
    assert out.dtype == torch.bfloat16
    assert out[:, 0].tolist() == [1.0, 13.5]


def test_moving(sampled: SampledAdjacency) -> None:
    moved = sampled.to(torch.float64)
    assert torch.equal(moved.to_dense(), FORWARD.double())
    assert torch.equal(moved.t().to_dense(), BACKWARD.double())


def test_totals(part: Adjacency) -> None:
    assert row_totals(part).tolist() == column_totals(part.t()).tolist() == [3.0, 4.5]
    assert row_totals(part.t()).tolist() == column_totals(part).tolist() == [2.0, 0.5, 5.0]


test_wrong_arguments = wrong_arguments("SampledAdjacency")
