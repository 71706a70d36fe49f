import math

import pytest
import torch
from torch import Tensor

from api_cases import wrong_arguments
from soil_pyg.nn import AlignedPairsLoss, BPRLoss, embedding_loss


def naive(query: Tensor, candidate: Tensor, tau: float) -> list[float]:
    pairs = zip(query.tolist(), candidate.tolist(), strict=True)
    logits = [sum(a * b for a, b in zip(q, c, strict=True)) / tau for q, c in pairs]
    largest = max(logits)
    total = largest + math.log(sum(math.exp(logit - largest) for logit in logits))
    return [total - logit for logit in logits]


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
    total = AlignedPairsLoss(tau)(query, candidate)
    assert total.item() == pytest.approx(sum(expected), rel=1e-10)
    mean = AlignedPairsLoss(tau, reduction="mean")(query, candidate)
    assert mean.item() == pytest.approx(sum(expected) / 6, rel=1e-10)
    assert AlignedPairsLoss()(query, candidate) == AlignedPairsLoss(0.2, "sum")(query, candidate)


def test_the_denominator_is_one_number_of_aligned_pairs_that_keeps_duplicates() -> None:
    query, candidate = torch.tensor([[1.0], [2.0], [2.0]]), torch.tensor([[3.0], [1.0], [1.0]])
    denominator = math.exp(3) + 2 * math.exp(2)
    expected = 3 * math.log(denominator) - 3 - 2 - 2
    assert AlignedPairsLoss(tau=1.0)(query, candidate).item() == pytest.approx(expected, rel=1e-6)


def test_huge_logits_do_not_overflow() -> None:
    query = torch.tensor([[1e3], [-1e3], [2e3]], requires_grad=True)
    loss = AlignedPairsLoss(tau=0.2)(query, torch.ones(3, 1))
    loss.backward()
    assert loss.item() == pytest.approx(5e3 + 15e3 + 0)
    assert query.grad is not None
    assert query.grad.flatten().tolist() == [-5.0, -5.0, 10.0]


def test_gradcheck() -> None:
    leaves = tuple(x.requires_grad_() for x in batch())
    assert torch.autograd.gradcheck(AlignedPairsLoss(), leaves)


def test_pairs_that_share_rows_equal_repeated_rows() -> None:
    query, candidate = batch()
    pairs = torch.tensor([[0, 2, 2, 1, 0], [3, 1, 0, 0, 3]])
    loss = AlignedPairsLoss()
    expected = sum(naive(query[pairs[0]], candidate[pairs[1]], 0.2))
    assert loss(query, candidate, pairs).item() == pytest.approx(expected, rel=1e-10)
    assert loss.compare(query, candidate, pairs) == loss(query, candidate, pairs)
    assert loss.normalize(query) is query


def test_repr_and_errors() -> None:
    assert str(AlignedPairsLoss()) == "AlignedPairsLoss(tau=0.2, reduction='sum')"
    for tau in (0, -0.5, float("nan")):
        with pytest.raises(ValueError, match=rf"'tau'.*\(got {tau}\)"):
            AlignedPairsLoss(tau)
    with pytest.raises(ValueError, match=r"'reduction'.*\(got 'max'\)"):
        AlignedPairsLoss(reduction="max")


def test_bpr_equals_the_definition() -> None:
    positive = torch.tensor([0.5, -1.0, 3.0], dtype=torch.float64)
    negative = torch.tensor([0.0, 2.0, 3.0], dtype=torch.float64)
    terms = [-math.log(1 / (1 + math.exp(-margin))) for margin in (0.5, -3.0, 0.0)]
    assert BPRLoss("sum")(positive, negative).item() == pytest.approx(sum(terms), rel=1e-12)
    assert BPRLoss("mean")(positive, negative).item() == pytest.approx(sum(terms) / 3, rel=1e-12)
    assert BPRLoss()(positive, negative) == BPRLoss("mean")(positive, negative)


@pytest.mark.parametrize(("margin", "loss", "grad"), [(1e4, 0.0, 0.0), (-1e4, 1e4, -1.0)])
def test_bpr_extreme_margins(margin: float, loss: float, grad: float) -> None:
    positive = torch.tensor([margin], requires_grad=True)
    out = BPRLoss()(positive, torch.zeros(1))
    out.backward()
    assert out.item() == loss
    assert positive.grad is not None
    assert positive.grad.tolist() == [grad]


def test_bpr_repr_and_errors() -> None:
    assert str(BPRLoss()) == "BPRLoss(reduction='mean')"
    assert str(BPRLoss("sum")) == "BPRLoss(reduction='sum')"
    with pytest.raises(ValueError, match=r"'reduction'.*\(got 'none'\)"):
        BPRLoss("none")


def test_embedding_loss_equals_the_definition() -> None:
    embeddings = [torch.randn(5, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)]
    norms = [math.sqrt(sum(x * x for x in e.flatten().tolist())) for e in embeddings]
    assert embedding_loss(*embeddings).item() == pytest.approx(sum(norms) / 2, rel=1e-12)
    assert embedding_loss(embeddings[0]).item() == pytest.approx(norms[0] / 5, rel=1e-12)


def test_embedding_loss_gradient_is_finite_at_zero() -> None:
    embedding = torch.zeros(3, 2, requires_grad=True)
    embedding_loss(embedding).backward()
    assert embedding.grad is not None
    assert embedding.grad.tolist() == [[0.0, 0.0]] * 3


def test_embedding_loss_no_embeddings() -> None:
    with pytest.raises(ValueError, match=r"'embeddings'.*\(got none"):
        embedding_loss()


test_wrong_arguments = wrong_arguments("AlignedPairsLoss", "BPRLoss", "embedding_loss")
