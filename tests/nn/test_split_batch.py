from contextlib import suppress

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import split_batch as module
from soil_pyg.nn.split_batch import (
    count_batch,
    dropout_batch,
    gather_batch,
    mean_square,
    own_rows,
    split_batch,
    squared_loss,
    sum_batch,
)
from threads import Threads

WHOLE = torch.arange(10.0).view(5, 2) - 3
PLACES = [slice(0, 3), slice(3, 3), slice(3, 5)]
"""The rows of three processes, of which the second has none."""


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(3, monkeypatch)


def test_rows_of_others_come_with_their_gradients(three: Threads) -> None:
    weight = torch.arange(5.0).unsqueeze(1)

    def compute(rank: int) -> tuple[Tensor, slice, int, Tensor | None]:
        x = WHOLE[PLACES[rank]].clone().requires_grad_()
        rows, own, count = gather_batch(x), own_rows(x), count_batch(x)
        # Each process has a loss of its own.
        (rows * weight * 10**rank).sum().backward()
        return rows, own, count, x.grad

    with split_batch():
        results = three.run(compute)
    for place, (rows, own, count, grad) in zip(PLACES, results, strict=True):
        assert rows.equal(WHOLE)
        assert (own, count) == (place, 5)
        assert grad is not None
        assert grad.equal(111 * weight.expand(-1, 2)[place])


def test_losses_are_those_of_the_whole_batch(
    three: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = torch.arange(10.0).view(5, 2)
    monkeypatch.setattr(module.F, "dropout", lambda ones, p, training: ones * drawn)

    def compute(rank: int) -> tuple[list[Tensor], Tensor]:
        x = WHOLE[PLACES[rank]]
        reduced = [sum_batch(x.sum()), mean_square(x), squared_loss(0.3, x, 2 * x[:, :1])]
        return reduced, dropout_batch(x, 0.5, True)

    squares = WHOLE.square()
    expected = torch.stack(
        [WHOLE.sum(), squares.mean(), 0.3 * (squares.sum() + 4 * squares[:, 0].sum()) / 2 / 5]
    )
    with split_batch():
        results = three.run(compute)
    for place, (reduced, dropped) in zip(PLACES, results, strict=True):
        torch.testing.assert_close(torch.stack(reduced), expected)
        assert dropped.equal((WHOLE * drawn)[place])


def test_one_process_has_the_whole_batch() -> None:
    # Outside of the block, no process is asked.
    with suppress(KeyError), split_batch(), split_batch():
        raise KeyError
    x = torch.ones(2)
    assert gather_batch(x) is x
    assert sum_batch(x[0]) == 1
    assert (count_batch(x), own_rows(x)) == (2, slice(0, 2))
    assert dropout_batch(x, 0.5, training=False).equal(x)
    torch.manual_seed(0)
    expected = torch.nn.functional.dropout(WHOLE, 0.3)
    torch.manual_seed(0)
    assert dropout_batch(WHOLE, 0.3, training=True).equal(expected)
