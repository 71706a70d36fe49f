from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from soil_pyg.nn.split_batch import split_batch
from threads import Threads


@pytest.fixture
def check_split(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Checks that processes that split the rows of a batch each have the loss of the whole, and the
    gradients of all of them.
    """

    def check(loss: Callable[..., Tensor], *rows: Tensor) -> None:
        def compute(*tensors: Tensor) -> tuple[Tensor, list[Tensor]]:
            leaves = [x.detach().clone().requires_grad_() for x in tensors]
            value = loss(*leaves)
            return value, list(
                torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
            )

        expected, whole = compute(*rows)
        # The second process has no rows.
        sizes = [2, 0, len(rows[0]) - 2]
        threads = Threads(3, monkeypatch)
        with split_batch():
            parts = threads.run(lambda rank: compute(*(x.split(sizes)[rank] for x in rows)))
        for value, _ in parts:
            torch.testing.assert_close(value, expected)
        for grad, *of_ranks in zip(whole, *(grads for _, grads in parts), strict=True):
            # Each process has the loss, so that their gradients add up to three times that.
            torch.testing.assert_close(torch.cat(of_ranks), 3 * grad)

    return check
