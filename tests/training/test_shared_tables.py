import pytest
import torch

from soil_pyg.models.loss_tables import LossTables
from soil_pyg.training.shared_tables import SharedTables


def test_rows_tables_and_terms_against_one_graph() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 2, dtype=torch.double, requires_grad=True)
    fixed = torch.randn(4, 3, dtype=torch.double)

    def tables() -> LossTables:
        item = torch.stack([weight[:4].sin(), weight[2:].cos()]).sum(dim=0)
        return LossTables([weight.exp(), weight], [item, fixed], {"norm": weight.norm()})

    batches = [([0, 5], [1, 3]), ([5, 2], [3, 0]), ([4], [2])]
    shared, whole = SharedTables(tables()), tables()
    expected = torch.zeros((), dtype=torch.double)
    for user, item in batches:
        rows = shared.select(torch.tensor(user), torch.tensor(item))
        losses = [
            (emb[0].prod() + own.sum() * x.sum() + (features * x[:, :1]).sum()) * norm
            for (emb, own), (x, features), norm in [
                (rows.user, rows.item, rows.terms["norm"]),
                (
                    [table[user] for table in whole.user],
                    [table[item] for table in whole.item],
                    whole.terms["norm"],
                ),
            ]
        ]
        assert losses[0].item() == losses[1].item()
        losses[0].backward()
        expected = expected + losses[1]
        assert weight.grad is None
    shared.backward()
    (grad,) = torch.autograd.grad(expected, weight)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, grad, rtol=1e-12, atol=1e-14)


def test_small_gradients_do_not_vanish_in_a_low_precision() -> None:
    weight = torch.zeros(1, 1, dtype=torch.bfloat16, requires_grad=True)
    shared, row = SharedTables(LossTables([weight * 1], [])), torch.tensor([0])
    for _ in range(1000):
        shared.select(row, row).user[0].sum().backward()
    shared.backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(1000, rel=2**-8)
