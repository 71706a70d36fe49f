import math

import pytest
import torch

from soil_pyg.nn import embedding_loss


def test_equals_the_definition() -> None:
    embeddings = [torch.randn(5, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)]
    norms = [math.sqrt(sum(x * x for x in e.flatten().tolist())) for e in embeddings]
    assert embedding_loss(*embeddings).item() == pytest.approx(sum(norms) / 2, rel=1e-12)
    assert embedding_loss(embeddings[0]).item() == pytest.approx(norms[0] / 5, rel=1e-12)


def test_gradient_is_finite_at_zero() -> None:
    embedding = torch.zeros(3, 2, requires_grad=True)
    embedding_loss(embedding).backward()
    assert embedding.grad is not None
    assert embedding.grad.tolist() == [[0.0, 0.0]] * 3


def test_no_embeddings() -> None:
    with pytest.raises(ValueError, match=r"'embeddings' must hold at least one tensor \(got none"):
        embedding_loss()
