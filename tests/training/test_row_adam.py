import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Adam, Optimizer, SparseAdam

from soil_pyg.training.row_adam import RowAdam

STEPS = 6


def table_and_bias() -> tuple[Parameter, Parameter]:
    torch.manual_seed(0)
    return Parameter(torch.randn(7, 3)), Parameter(torch.randn(4))


def sparse(step: int) -> Tensor:
    """Returns the gradient of the rows that a step updates, in random order."""
    torch.manual_seed(step)
    index = torch.randperm(7)[: 2 + step % 3]
    values = torch.randn(len(index), 3)
    return torch.sparse_coo_tensor(index.unsqueeze(0), values, (7, 3), check_invariants=True)


def step_with(optimizer: Optimizer, table: Parameter, step: int) -> None:
    table.grad = sparse(step)
    optimizer.step()


def test_rows_against_sparse_adam() -> None:
    (ours, _), (expected, _) = table_and_bias(), table_and_bias()
    optimizer, other = RowAdam([ours], lr=0.1), SparseAdam([expected], lr=0.1)
    for step in range(STEPS):
        step_with(optimizer, ours, step)
        step_with(other, expected, step)
    torch.testing.assert_close(ours, expected)
    assert not torch.equal(ours, table_and_bias()[0])


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_all_rows_and_dense_gradients_against_adam(weight_decay: float) -> None:
    ours, expected = table_and_bias(), table_and_bias()
    optimizers = [RowAdam(ours, 0.1, weight_decay), Adam(expected, 0.1, weight_decay=weight_decay)]
    for step in range(STEPS):
        torch.manual_seed(step)
        order, rows, bias = torch.randperm(7), torch.randn(7, 3), torch.randn(4)
        ours[0].grad = torch.sparse_coo_tensor(order.unsqueeze(0), rows[order], (7, 3))
        expected[0].grad = rows
        for _, parameter in (ours, expected):
            parameter.grad = bias.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, expected)


def test_rows_without_a_gradient_and_their_moments_stay() -> None:
    table, _ = table_and_bias()
    optimizer = RowAdam([table], lr=0.1, weight_decay=0.5)
    table.grad = torch.sparse_coo_tensor([[1, 4]], torch.ones(2, 3), (7, 3))
    optimizer.step()
    before = [x.clone() for x in (table, *optimizer.state[table].values()) if x.dim() > 0]
    table.grad = torch.sparse_coo_tensor([[2, 4]], torch.ones(2, 3), (7, 3))
    optimizer.step()
    after = [x for x in (table, *optimizer.state[table].values()) if x.dim() > 0]
    assert len(after) == 3
    for old, new in zip(before, after, strict=True):
        changed = (old != new).any(dim=1)
        assert changed.tolist() == [False, False, True, False, True, False, False]


def test_tables_without_columns() -> None:
    table = Parameter(torch.zeros(3))
    table.grad = torch.sparse_coo_tensor([[2]], torch.tensor([5.0]), (3,))
    RowAdam([table], lr=0.5).step()
    assert table.tolist() == [0.0, 0.0, -0.5]


def test_gradients_are_left_and_zeroed() -> None:
    ours = table_and_bias()
    optimizer = RowAdam(ours)
    optimizer.step()
    assert torch.equal(ours[0], table_and_bias()[0])
    assert len(optimizer.state) == 0
    step_with(optimizer, ours[0], 0)
    assert torch.equal(ours[0].grad.to_dense(), sparse(0).to_dense())
    optimizer.zero_grad()
    assert ours[0].grad is None


def test_closure() -> None:
    table, _ = table_and_bias()
    optimizer = RowAdam([table])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (table**2).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert optimizer.step(closure) < first


def test_state_goes_on() -> None:
    (straight, _), (stopped, _) = table_and_bias(), table_and_bias()
    optimizer = RowAdam([straight], lr=0.1)
    for step in range(STEPS):
        step_with(optimizer, straight, step)
    optimizer = RowAdam([stopped], lr=0.1)
    for step in range(STEPS):
        step_with(optimizer, stopped, step)
        state = optimizer.state_dict()
        optimizer = RowAdam([stopped], lr=0.1)
        optimizer.load_state_dict(state)
    assert torch.equal(straight, stopped)
