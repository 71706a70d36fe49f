import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from api_cases import wrong_arguments
from soil_pyg.nn import InfoNCELoss, info_nce_loss

PAIRS = torch.tensor([[0, 2, 2, 1, 0, 2, 4], [3, 1, 0, 0, 3, 1, 2]])


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


@pytest.mark.parametrize("tau", [0.2, 1.0, 1e-3, info_nce_loss.MIN_UNSHIFTED_TAU])
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


@pytest.mark.parametrize("sign", [1, -1])
def test_equal_and_opposite_rows_at_the_least_unshifted_tau(sign: int) -> None:
    # All exponentials are as large, or as small, as they can be.
    tau = info_nce_loss.MIN_UNSHIFTED_TAU
    x = torch.ones(2048, 3, requires_grad=True)
    loss = InfoNCELoss(tau)(x, sign * x)
    assert loss.item() == pytest.approx(math.log(2048), rel=1e-5)
    loss.backward()
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


def gradients(loss: InfoNCELoss, *args: Tensor | None) -> list[Tensor]:
    leaves = [x.clone().requires_grad_() for x in batch()]
    value = loss(*leaves, *args)
    return [value.detach(), *torch.autograd.grad(3 * value, leaves)]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("tau", [0.2, 1e-2])
def test_pairs_that_share_rows_equal_repeated_rows(tau: float, reduction: str) -> None:
    loss = InfoNCELoss(tau, reduction)
    expected = naive(*(x[index] for x, index in zip(batch(), PAIRS, strict=True)), tau)
    scale = 1 if reduction == "sum" else 1 / 7
    value, *grads = gradients(loss, PAIRS)
    assert value.item() == pytest.approx(scale * sum(expected), rel=1e-10)
    leaves = [x.requires_grad_() for x in batch()]
    repeated = loss(*(x[index] for x, index in zip(leaves, PAIRS, strict=True)))
    for grad, other in zip(grads, torch.autograd.grad(3 * repeated, leaves), strict=True):
        torch.testing.assert_close(grad, other, rtol=1e-9, atol=1e-12)
        assert grad[5].tolist() == [0.0] * 4


def test_a_row_of_no_pair_takes_no_part_however_close_it_is() -> None:
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    candidate = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    loss = InfoNCELoss(tau=1e-3)(query, candidate, torch.tensor([[0, 0], [0, 0]]))
    assert loss.item() == pytest.approx(math.log(2), abs=1e-3)
    loss.backward()
    for x in (query, candidate):
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad[1].tolist() == [0.0, 0.0]


def test_gradcheck_of_pairs() -> None:
    def loss(query: Tensor, candidate: Tensor) -> Tensor:
        return InfoNCELoss(reduction="sum")(query[:5], candidate, PAIRS)

    assert torch.autograd.gradcheck(loss, tuple(x.requires_grad_() for x in batch()))


@pytest.mark.parametrize("weight", [[1, 1, 1, 1, 1, 1], [0, 2, 1, 0, 3, 1]])
def test_candidates_of_no_pair_count_as_often_as_they_weigh(weight: list[int]) -> None:
    loss, leaves = InfoNCELoss(reduction="sum"), [x.requires_grad_() for x in batch()]
    value = loss(*leaves, PAIRS, torch.tensor(weight))
    query, candidate = (torch.nn.functional.normalize(x) for x in leaves)
    logits = (query @ candidate.t() / 0.2)[PAIRS[0]]
    total = logits.exp() @ torch.tensor(weight, dtype=torch.float64)
    expected = (total.log() - logits.gather(1, PAIRS[1:].t()).squeeze(1)).sum()
    torch.testing.assert_close(value, expected)
    grads = zip(*(torch.autograd.grad(x, leaves) for x in (value, expected)), strict=True)
    for grad, other in grads:
        torch.testing.assert_close(grad, other)
    if min(weight) > 0:
        full = torch.nn.functional.cross_entropy(logits, PAIRS[1], reduction="sum")
        torch.testing.assert_close(value, full)


@pytest.mark.parametrize("tau", [0.2, 1e-2])
def test_single_precision_equals_double(tau: float, onednn: bool) -> None:
    # Candidates opposite to all queries: a row that is added to round up sizes would be closer.
    x = torch.rand(2, 6, 4, dtype=torch.float64) + 0.1
    query, candidate = (x[0], -x[1])
    results = []
    for leaves in ([query.float(), candidate.float()], [query, candidate]):
        leaves = [leaf.clone().requires_grad_() for leaf in leaves]
        value = InfoNCELoss(tau)(*leaves, PAIRS)
        results.append([value.detach(), *torch.autograd.grad(value, leaves)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_bytes", [1, 100, 150])
def test_blocks_do_not_matter(num_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = gradients(InfoNCELoss(), PAIRS)
    monkeypatch.setattr(info_nce_loss, "CPU_BLOCK_BYTES", num_bytes)
    for one, other in zip(gradients(InfoNCELoss(), PAIRS), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_keeps_nothing_of_the_size_of_the_batch_squared() -> None:
    sizes: list[int] = []

    def pack(x: Tensor) -> Tensor:
        sizes.append(x.numel())
        return x

    query, candidate = torch.randn(2, 50, 3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = InfoNCELoss()(query, candidate)
    loss.backward()
    assert max(sizes) == 50 * 3


def test_autocast_computes_in_single_precision() -> None:
    query, candidate = (x.bfloat16() for x in batch())
    expected = InfoNCELoss()(query.float(), candidate.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = InfoNCELoss()(query.requires_grad_(), candidate)
    assert loss.dtype == torch.float32
    assert loss.equal(expected)
    loss.backward()
    assert query.grad is not None
    assert query.grad.dtype == torch.bfloat16


def test_normalised_rows_are_compared_as_they_are() -> None:
    query, candidate = batch()
    loss = InfoNCELoss()
    assert loss.normalize(query).norm(dim=1).tolist() == pytest.approx([1.0] * 6)
    rows = loss.normalize(query), loss.normalize(candidate)
    assert loss.compare(*rows, PAIRS) == loss(query, candidate, PAIRS)
    assert loss.compare(2 * rows[0], rows[1]) != loss(query, candidate)


def test_repr_and_errors() -> None:
    assert str(InfoNCELoss()) == "InfoNCELoss(tau=0.2, reduction='mean')"
    for tau in (0, -0.5, float("nan")):
        with pytest.raises(ValueError, match=rf"'tau'.*\(got {tau}\)"):
            InfoNCELoss(tau)
    with pytest.raises(ValueError, match=r"'reduction'.*\(got 'max'\)"):
        InfoNCELoss(reduction="max")
    with pytest.raises(ValueError, match=r"^'candidate' must have at least one row"):
        InfoNCELoss()(torch.empty(0, 3), torch.empty(0, 3))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("tau", [1e-3, 0.5])
def test_a_split_batch(check_split: Callable[..., None], reduction: str, tau: float) -> None:
    query, table = batch()
    loss, row = InfoNCELoss(tau, reduction), torch.tensor([3, 1, 0, 3, 1, 5]).double()
    check_split(loss, query, table)

    def of_all(query: Tensor, row: Tensor) -> Tensor:
        # Each process has all candidates.
        pairs = torch.stack([torch.arange(len(query)), row.long()])
        return loss(query, table, pairs, torch.ones(6))

    check_split(of_all, query, row)


test_wrong_arguments = wrong_arguments("InfoNCELoss")
