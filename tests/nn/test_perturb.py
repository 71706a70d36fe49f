import pytest
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import perturb


def test_noise_has_a_fixed_length_and_keeps_signs() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 6)
    x[3, 2] = 0
    moved = perturb(x, 0.3)
    step = moved - x
    has_zero = (x == 0).any(dim=1)
    torch.testing.assert_close(step.norm(dim=1)[~has_zero], torch.full((49,), 0.3))
    assert step[3, 2] == 0
    assert (step * x >= 0).all()
    assert not perturb(x, 0.3).equal(moved)


def test_no_noise_draws_nothing() -> None:
    x, state = torch.ones(2, 2), torch.get_rng_state()
    assert perturb(x, 0) is x
    assert torch.get_rng_state().equal(state)


def test_gradients_pass_unchanged() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(perturb(x, 0.5).sum(), x)
    assert grad.equal(torch.ones(4, 3))


def test_negative_noise() -> None:
    with pytest.raises(ValueError, match=r"'noise'.*\(got -1\)"):
        perturb(torch.ones(1, 1), -1)


test_wrong_arguments = wrong_arguments("perturb")
