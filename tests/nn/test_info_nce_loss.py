import math

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import InfoNCELoss


def cosine(x: list[float], y: list[float]) -> float:
    norms = math.sqrt(sum(a * a for a in x)) * math.sqrt(sum(b * b for b in y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / norms


def naive(query: Tensor, candidate: Tensor, tau: float) -> list[float]:
    out = []
    for b, q in enumerate(query.tolist()):
        logits = [cosine(q, c) / tau for c in candidate.tolist()]
        largest = max(logits)
        total = sum(math.exp(logit - largest) for logit in logits)
        out.append(largest + math.log(total) - logits[b])
    return out


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    candidate = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    query[3], candidate[3] = query[1], candidate[1]
    return query, candidate


@pytest.mark.parametrize("tau", [0.2, 1.0, 1e-3])
def test_equals_the_definition_with_duplicates(tau: float) -> None:
    query, candidate = batch()
    expected = naive(query, candidate, tau)
    assert expected[1] == expected[3]
    mean = InfoNCELoss(tau)(query, candidate)
    assert mean.item() == pytest.approx(sum(expected) / 6, rel=1e-10)
    total = InfoNCELoss(tau, reduction="sum")(query, candidate)
    assert total.item() == pytest.approx(sum(expected), rel=1e-10)
    assert InfoNCELoss()(query, candidate) == InfoNCELoss(0.2, "mean")(query, candidate)


def test_lengths_do_not_matter() -> None:
    query, candidate = batch()
    expected = InfoNCELoss()(query, candidate)
    torch.testing.assert_close(InfoNCELoss()(1e3 * query, 1e-3 * candidate), expected)


def test_huge_logits_do_not_overflow() -> None:
    query, candidate = (x.float().requires_grad_() for x in batch())
    loss = InfoNCELoss(tau=1e-4)(1e3 * query, 1e3 * candidate)
    loss.backward()
    expected = naive(query.detach().double(), candidate.detach().double(), 1e-4)
    assert loss.item() == pytest.approx(sum(expected) / 6, rel=1e-4)
    for x in (query, candidate):
        assert x.grad is not None
        assert x.grad.isfinite().all()


def test_a_row_of_zeros_has_finite_gradients() -> None:
    query, candidate = (x.float() for x in batch())
    query[0] = 0
    query.requires_grad_()
    loss = InfoNCELoss()(query, candidate)
    loss.backward()
    assert loss.isfinite()
    assert query.grad is not None
    assert query.grad.isfinite().all()


def test_gradcheck() -> None:
    assert torch.autograd.gradcheck(InfoNCELoss(), tuple(x.requires_grad_() for x in batch()))


def test_repr_and_errors() -> None:
    assert str(InfoNCELoss()) == "InfoNCELoss(tau=0.2, reduction='mean')"
    for tau in (0, -0.5, float("nan")):
        with pytest.raises(ValueError, match=rf"'tau' must be positive \(got {tau}\)"):
            InfoNCELoss(tau)
    with pytest.raises(ValueError, match=r"'reduction' must be one of 'sum', 'mean' \(got 'max'\)"):
        InfoNCELoss(reduction="max")
