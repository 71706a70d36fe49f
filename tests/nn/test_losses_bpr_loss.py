import math

import pytest
import torch

from soil_pyg.nn import BPRLoss


def test_equals_the_definition() -> None:
    positive = torch.tensor([0.5, -1.0, 3.0], dtype=torch.float64)
    negative = torch.tensor([0.0, 2.0, 3.0], dtype=torch.float64)
    terms = [-math.log(1 / (1 + math.exp(-margin))) for margin in (0.5, -3.0, 0.0)]
    assert BPRLoss("sum")(positive, negative).item() == pytest.approx(sum(terms), rel=1e-12)
    assert BPRLoss("mean")(positive, negative).item() == pytest.approx(sum(terms) / 3, rel=1e-12)
    assert BPRLoss()(positive, negative) == BPRLoss("mean")(positive, negative)


@pytest.mark.parametrize(("margin", "loss", "grad"), [(1e4, 0.0, 0.0), (-1e4, 1e4, -1.0)])
def test_extreme_margins(margin: float, loss: float, grad: float) -> None:
    positive = torch.tensor([margin], requires_grad=True)
    out = BPRLoss()(positive, torch.zeros(1))
    out.backward()
    assert out.item() == loss
    assert positive.grad is not None
    assert positive.grad.tolist() == [grad]


def test_repr_and_errors() -> None:
    assert str(BPRLoss()) == "BPRLoss(reduction='mean')"
    assert str(BPRLoss("sum")) == "BPRLoss(reduction='sum')"
    with pytest.raises(ValueError, match=r"'reduction' must be one of .* \(got 'none'\)"):
        BPRLoss("none")
