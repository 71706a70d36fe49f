from typing import Any

import pytest
import torch

from soil_pyg.ops import vectors
from soil_pyg.ops.vectors import as_vectors, norms, sample_of

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_any_type(dtype: torch.dtype) -> None:
    x = torch.tensor([[0, 1], [1, 1]]).to(dtype)
    out = as_vectors("x", x)
    assert out.dtype == torch.float32
    assert out.tolist() == [[0.0, 1.0], [1.0, 1.0]]


def test_gradients_and_strides_are_left_behind() -> None:
    x = torch.arange(6.0).view(2, 3).t().requires_grad_()
    out = as_vectors("x", x)
    assert (out.requires_grad, out.is_contiguous()) == (False, True)
    assert out.equal(x.detach())


@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.ones(3), r"\(3,\)"),
        (torch.ones(1, 2, 3), r"\(1, 2, 3\)"),
        (torch.tensor(1.0), r"\(\)"),
        (torch.eye(2).to_sparse(), r"\(2, 2\)"),
        (torch.ones(2, 2, dtype=torch.complex64), r"\(2, 2\)"),
        ([[1.0]], "list"),
        (None, "NoneType"),
        (torch.tensor([[1.0, torch.nan]]), "NaN or infinity"),
        (torch.tensor([[-torch.inf]]), "NaN or infinity"),
        (torch.tensor([[1e300]], dtype=torch.float64), "NaN or infinity"),
    ],
)
def test_no_vectors(x: Any, got: str) -> None:
    with pytest.raises(ValueError, match=rf"'name' must.*\(got {got}\)"):
        as_vectors("name", x)


def test_norms_of_any_size() -> None:
    scale = torch.tensor([[1e-38], [1e-20], [1.0], [1e20], [1e38], [0.0]])
    expected = (torch.tensor([[0.6, 0.8]]).double() * scale.double()).norm(dim=1)
    torch.testing.assert_close(norms(torch.tensor([[0.6, 0.8]]) * scale), expected)


def test_vectors_like_others() -> None:
    x, like = torch.ones(2, 3), torch.ones(5, 3)
    assert as_vectors("name", x, like).equal(x)
    for other in (torch.ones(2, 4), torch.ones(2, 3, device="meta")):
        with pytest.raises(ValueError, match=r"'name' must have 3 columns on cpu \(got "):
            as_vectors("name", other, like)


@pytest.mark.parametrize(("size", "step"), [(0, 1), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_samples_are_spread_evenly(size: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "SAMPLE", 4)
    x = torch.arange(size).view(-1, 1)
    assert sample_of(x).flatten().tolist() == list(range(0, size, step))
    assert sample_of(x).is_contiguous()
