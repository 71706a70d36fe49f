import math

import numpy as np
import pytest
import torch
from torch import Tensor

from api_cases import wrong_arguments
from soil_pyg.nn import NeighbourLoss, neighbour_loss

NUM_ITEMS, CHANNELS, EPSILON = 23, 4, 1e-9
INDEX = torch.tensor([3, 0, 17, 22, 9])


def views(number: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = NUM_ITEMS, CHANNELS
    drawn = [torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(number)]
    return [view.requires_grad_() for view in drawn]


def naive(views: list[Tensor], k: int, tau: float) -> float:
    unit = [(x / x.norm(dim=1, keepdim=True)).detach().numpy() for x in views]
    total = 0.0
    for i in INDEX.tolist():
        cosine = [x @ x[i] for x in unit]
        share = [np.exp(c) / np.exp(c).sum() for c in cosine]
        for number, c in enumerate(cosine):
            joint = sum(share) + share[number]
            order = sorted(range(NUM_ITEMS), key=lambda j: -joint[j])
            near, others = order[:k], order[k:]
            e = np.exp(c / tau)
            total -= math.log(e[near].sum() / e.sum() + EPSILON)
            following = sorted(others, key=lambda j: -share[number][j])[:k]
            if others:
                total -= math.log(e[following].sum() / e[others].sum() + EPSILON)
    return total / len(INDEX) / len(views)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("k", [1, 5, 20, 50])
@pytest.mark.parametrize("block_bytes", [1, 2**26])
def test_equals_loops(
    number: int, k: int, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbour_loss, "BLOCK_BYTES", block_bytes)
    x, loss = views(number), NeighbourLoss(k, tau=0.3)
    assert loss(x, INDEX).item() == pytest.approx(naive(x, k, 0.3), rel=1e-9)
    if k == 5:
        torch.autograd.gradcheck(lambda *x: loss(x, INDEX), x, eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("tau", [0.02, 0.008, 0.005, 0.001])
def test_low_temperatures(tau: float) -> None:
    x = [view.detach().requires_grad_() for view in views(2)]
    loss = NeighbourLoss(3, tau)(x, INDEX)
    # Of exponentials in logarithms, which do not vanish.
    unit = [torch.nn.functional.normalize(view) for view in x]
    expected = torch.zeros((), dtype=torch.float64)
    for view in unit:
        cosine = view[INDEX] @ view.t()
        share = [(v[INDEX] @ v.t()).softmax(dim=1) for v in unit]
        near = (sum(share) + cosine.softmax(dim=1)).topk(3).indices
        others = cosine.scatter(1, near, -torch.inf)
        logits = cosine / tau
        expected = (
            expected
            - ((logits.gather(1, near).logsumexp(1) - logits.logsumexp(1)).exp() + EPSILON)
            .log()
            .sum()
        )
        best = (others / tau).topk(3).values.logsumexp(1)
        ratio = (best - (others / tau).logsumexp(1)).exp()
        expected = expected - (ratio + EPSILON).log().sum()
    expected = expected / len(INDEX) / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-9)
    found, wanted = torch.autograd.grad(loss, x), torch.autograd.grad(expected, x)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)
    single = [view.detach().float().requires_grad_() for view in x]
    value = NeighbourLoss(3, tau)(single, INDEX)
    assert value.item() == pytest.approx(expected.item(), abs=1e-2)
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(value, single))


def test_repr_and_errors() -> None:
    assert str(NeighbourLoss(3)) == "NeighbourLoss(k=3, tau=0.2)"
    with pytest.raises(ValueError, match=r"^'index' must name at least one item"):
        NeighbourLoss(3)([torch.eye(3)], torch.empty(0, dtype=torch.long))


test_wrong_arguments = wrong_arguments("NeighbourLoss")


@pytest.mark.parametrize("tau", [0.04, 0.01, 0.005, 0.001])
def test_a_row_of_zeros_at_a_low_temperature(tau: float) -> None:
    view = torch.eye(5)
    view[0] = 0
    view.requires_grad_()
    loss = NeighbourLoss(1, tau)([view], torch.arange(5))
    (grad,) = torch.autograd.grad(loss, view)
    assert loss.isfinite()
    assert grad.isfinite().all()
