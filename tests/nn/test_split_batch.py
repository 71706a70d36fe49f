from contextlib import suppress

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from soil_pyg.nn.split_batch import count_batch, gather_batch, own_rows, split_batch, sum_batch

OTHER = torch.tensor([[5.0], [6.0], [7.0]])


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the first of two processes, which has three rows."""

    def all_gather(found: list[Tensor], own: Tensor) -> None:
        is_size = own.dtype == torch.long
        found[0].copy_(torch.tensor([3]) if is_size else OTHER.view(3, *own.shape[1:]))
        found[1].copy_(own)

    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "all_gather", all_gather)
    monkeypatch.setattr(dist, "all_reduce", lambda grad: grad.mul_(10))


@pytest.mark.usefixtures("second_of_two")
def test_rows_of_others_come_with_their_gradients() -> None:
    x = torch.tensor([[1.0], [2.0]], requires_grad=True)
    with split_batch():
        rows, own, count = gather_batch(x), own_rows(x), count_batch(x)
    assert rows.flatten().tolist() == [5, 6, 7, 1, 2]
    assert (own, count) == (slice(3, 5), 5)
    assert torch.equal(rows[own], x)
    (rows.flatten() * torch.arange(5.0)).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [30, 40]


def test_one_process_has_the_whole_batch() -> None:
    # Outside of the block, no process is asked.
    with suppress(KeyError), split_batch(), split_batch():
        raise KeyError
    x = torch.ones(2)
    assert gather_batch(x) is x
    assert sum_batch(x[0]) == 1
    assert (count_batch(x), own_rows(x)) == (2, slice(0, 2))
