from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import product as module
from soil_pyg.nn.product import product, uses_onednn

HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda x: x,
    "columns": lambda x: x.t().contiguous().t(),
    "every other row": lambda x: x.repeat_interleave(2, dim=0)[::2],
    "part of a wider matrix": lambda x: torch.cat([x, x], dim=1)[:, : x.size(1)],
    "the same row": lambda x: x[:1].expand(len(x), -1),
}


@pytest.fixture(
    params=[
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(not HAS_ONEDNN, reason="torch was built without oneDNN")
        ),
    ]
)
def onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(module, "PREFERS_ONEDNN", request.param)
    return request.param


def matrices(
    num_rows: int = 33, num_columns: int = 65, channels: int = 17
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(num_rows, channels, generator=generator)
    return x, torch.randn(num_columns, channels, generator=generator)


@pytest.mark.parametrize("of_y", LAYOUTS)
@pytest.mark.parametrize("of_x", LAYOUTS)
def test_equals_the_product_in_double_precision(onednn: bool, of_x: str, of_y: str) -> None:
    x, y = matrices()
    x, y = LAYOUTS[of_x](x), LAYOUTS[of_y](y)
    assert uses_onednn(x, y) == onednn
    expected = (x.double() @ y.double().t()).float()
    torch.testing.assert_close(product(x, y), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "size", [(1, 1, 1), (1, 5, 3), (5, 1, 3), (5, 3, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0)]
)
def test_any_size(onednn: bool, size: tuple[int, int, int]) -> None:
    x, y = matrices(*size)
    torch.testing.assert_close(product(x, y), x @ y.t())


def test_gradients_flow_to_both(onednn: bool) -> None:
    x, y = (matrix.requires_grad_() for matrix in matrices())
    weight = torch.randn(33, 65)
    found = torch.autograd.grad((product(x, y) * weight).sum(), (x, y))
    expected = torch.autograd.grad((x @ y.t() * weight).sum(), (x, y))
    torch.testing.assert_close(found, expected)
    (alone,) = torch.autograd.grad((product(x, y.detach()) * weight).sum(), x)
    torch.testing.assert_close(alone, expected[0])


def test_nothing_is_recorded_without_gradients(onednn: bool) -> None:
    x, y = matrices()
    with torch.no_grad():
        assert not product(x.requires_grad_(), y).requires_grad


def test_takes_the_memory_that_it_is_given_or_its_own(onednn: bool) -> None:
    x, y = matrices()
    memory = torch.empty(33, 65)
    out = product(x, y, out=memory)
    torch.testing.assert_close(out, x @ y.t())
    assert onednn or out.data_ptr() == memory.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_left_to_torch(onednn: bool, dtype: torch.dtype) -> None:
    x, y = (matrix.to(dtype) for matrix in matrices())
    assert not uses_onednn(x, y)
    assert torch.equal(product(x, y), x @ y.t())


def test_precision_that_is_asked_for_is_left_to_torch(onednn: bool) -> None:
    x, y = matrices()
    with torch.autocast("cpu", torch.bfloat16):
        assert product(x, y).dtype == torch.bfloat16
    torch.set_float32_matmul_precision("high")
    try:
        assert not uses_onednn(x, y)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_prefers_onednn_where_mkl_does_not_use_the_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(module, "Path", lambda _: file)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not module._prefers_onednn()
    file.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    assert not module._prefers_onednn()
    file.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\n")
    assert module._prefers_onednn() == HAS_ONEDNN
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not module._prefers_onednn()
