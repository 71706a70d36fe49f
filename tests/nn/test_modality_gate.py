import math

import pytest
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import ModalityGate


def affine(linear: torch.nn.Linear, x: list[float]) -> list[float]:
    rows = zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)
    return [b + sum(w * v for w, v in zip(row, x, strict=True)) for row, b in rows]


@pytest.mark.parametrize("sigmoid", [False, True])
def test_equals_the_formula(sigmoid: bool) -> None:
    torch.manual_seed(0)
    gate = ModalityGate(5, 3, sigmoid).double()
    x, embedding = torch.randn(4, 5).double(), torch.randn(4, 3).double()
    out = gate(x, embedding)
    assert out.size() == (4, 3)
    for node in range(4):
        opening = affine(gate.project, x[node].tolist())
        if sigmoid:
            opening = [1 / (1 + math.exp(-v)) for v in affine(gate.gate, opening)]
        expected = [e * g for e, g in zip(embedding[node].tolist(), opening, strict=True)]
        assert out[node].tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_parameters(sigmoid: bool) -> None:
    gate = ModalityGate(5, 3, sigmoid)
    sizes = {"project.weight": (3, 5), "project.bias": (3,)}
    if sigmoid:
        sizes |= {"gate.weight": (3, 3), "gate.bias": (3,)}
    assert {name: tuple(p.size()) for name, p in gate.named_parameters()} == sizes
    before = [p.clone() for p in gate.parameters()]
    gate.reset_parameters()
    assert not any(p.equal(b) for p, b in zip(gate.parameters(), before, strict=True))


@pytest.mark.parametrize("sigmoid", [False, True])
def test_autocast_projects_in_low_precision_and_takes_features_held_in_it(sigmoid: bool) -> None:
    gate, x, embedding = ModalityGate(5, 3, sigmoid), torch.randn(4, 5), torch.randn(4, 3)
    kinds = []
    gate.project.register_forward_hook(lambda module, args, out: kinds.append(out.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = gate(x, embedding)
        assert gate(x.bfloat16(), embedding).equal(out)
    assert kinds == [torch.bfloat16] * 2
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, gate(x, embedding), rtol=0.05, atol=0.05)


def test_repr() -> None:
    assert str(ModalityGate(5, 3)) == "ModalityGate(5, 3, sigmoid=False)"
    assert str(ModalityGate(5, 3, sigmoid=True)) == "ModalityGate(5, 3, sigmoid=True)"


test_wrong_arguments = wrong_arguments("ModalityGate")
