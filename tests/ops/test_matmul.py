import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops import matmul as module
from soil_pyg.ops.matmul import matmul_t, matmul_t_rows, symmetric_rows, uses_onednn

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda x: x,
    "columns": lambda x: x.t().contiguous().t(),
    "every other row": lambda x: x.repeat_interleave(2, dim=0)[::2],
    "part of a wider matrix": lambda x: torch.cat([x, x], dim=1)[:, : x.size(1)],
    "the same row": lambda x: x[:1].expand(len(x), -1),
}


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
    torch.testing.assert_close(matmul_t(x, y), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "size", [(1, 1, 1), (1, 5, 3), (5, 1, 3), (5, 3, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0)]
)
def test_any_size(onednn: bool, size: tuple[int, int, int]) -> None:
    x, y = matrices(*size)
    torch.testing.assert_close(matmul_t(x, y), x @ y.t())


def test_gradients_flow_to_both(onednn: bool) -> None:
    x, y = (matrix.requires_grad_() for matrix in matrices())
    weight = torch.randn(33, 65)
    found = torch.autograd.grad((matmul_t(x, y) * weight).sum(), (x, y))
    expected = torch.autograd.grad((x @ y.t() * weight).sum(), (x, y))
    torch.testing.assert_close(found, expected)
    (alone,) = torch.autograd.grad((matmul_t(x, y.detach()) * weight).sum(), x)
    torch.testing.assert_close(alone, expected[0])


def test_takes_the_memory_that_it_is_given_or_its_own(onednn: bool) -> None:
    x, y = matrices()
    memory = torch.empty(33, 65)
    out = matmul_t(x, y, out=memory)
    torch.testing.assert_close(out, x @ y.t())
    assert onednn or out.data_ptr() == memory.data_ptr()


def test_second_derivatives(onednn: bool) -> None:
    x, y = (matrix.double().float().requires_grad_() for matrix in matrices(3, 4, 2))
    expected = x.detach().clone().requires_grad_()
    results = []
    for leaf, function in [(x, matmul_t), (expected, lambda a, b: a @ b.t())]:
        (grad,) = torch.autograd.grad(function(leaf, y).pow(3).sum(), leaf, create_graph=True)
        results.append(torch.autograd.grad(grad.square().sum(), (leaf, y)))
    torch.testing.assert_close(*results)


def test_transformed_functions_are_left_to_torch(onednn: bool) -> None:
    x, y = matrices()
    tangent = torch.ones_like(x)
    out, derivative = torch.func.jvp(lambda a: matmul_t(a, y), (x,), (tangent,))
    torch.testing.assert_close(derivative, tangent @ y.t())
    torch.testing.assert_close(out, matmul_t(x, y))
    grad = torch.func.grad(lambda a: matmul_t(a, y).sum())(x)
    torch.testing.assert_close(grad, torch.ones(33, 65) @ y)
    many = torch.stack([y, 2 * y]).requires_grad_()
    torch.func.vmap(matmul_t, in_dims=(None, 0))(x, many).sum().backward()
    assert many.grad is not None
    torch.testing.assert_close(many.grad[1], torch.ones(65, 33) @ x)


def test_what_is_no_dense_matrix_is_left_to_torch(onednn: bool) -> None:
    x, y = matrices()
    assert not uses_onednn(x.to_sparse(), y)
    assert not uses_onednn(x.expand(2, -1, -1), y)
    assert not uses_onednn(x[0], y)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        matmul_t(x, y[:, 1:])


def test_can_be_switched_off(onednn: bool) -> None:
    with torch.backends.mkldnn.flags(enabled=False):
        assert not uses_onednn(*matrices())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_left_to_torch(onednn: bool, dtype: torch.dtype) -> None:
    x, y = (matrix.to(dtype) for matrix in matrices())
    assert not uses_onednn(x, y)
    assert torch.equal(matmul_t(x, y), x @ y.t())


def test_precision_that_is_asked_for_is_left_to_torch(onednn: bool) -> None:
    x, y = matrices()
    with torch.autocast("cpu", torch.bfloat16):
        assert matmul_t(x, y).dtype == torch.bfloat16
    torch.set_float32_matmul_precision("high")
    try:
        assert not uses_onednn(x, y)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_precision_that_newer_flags_tell_is_left_to_torch(
    onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    x, y = matrices()
    assert not uses_onednn(x, y)
    torch.testing.assert_close(matmul_t(x, y), x @ y.t())


def test_prefers_onednn_where_mkl_does_not_use_the_processor(
    onednn: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(module, "Path", lambda _: file)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not module._prefers_onednn()
    file.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n")
    assert not module._prefers_onednn()
    file.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\n")
    assert module._prefers_onednn() or not onednn
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not module._prefers_onednn()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(num_rows=st.integers(0, 300), num_columns=st.integers(0, 300))
def test_any_number_of_rows_of_two_matrices(onednn: bool, num_rows: int, num_columns: int) -> None:
    x, y = matrices()
    generator = torch.Generator().manual_seed(num_rows)
    row = torch.randint(x.size(0), (num_rows,), generator=generator)
    column = torch.randint(y.size(0), (num_columns,), generator=generator)
    found = matmul_t_rows(x, row, y, column)
    assert found.size() == (num_rows, num_columns)
    torch.testing.assert_close(found, x[row] @ y[column].t())


def test_few_sizes_are_compiled(monkeypatch: pytest.MonkeyPatch, onednn: bool) -> None:
    x, y = matrices()
    sizes = set()

    def multiply(x: Tensor, y: Tensor) -> Tensor:
        sizes.add((x.size(0), y.size(0)))
        return x @ y.t()

    monkeypatch.setattr(module, "matmul_t", multiply)
    for number in range(1, 1025):
        matmul_t_rows(x, torch.zeros(number, dtype=torch.long), y, torch.arange(3))
    # In steps of 16 up to 64, then four between two powers of two.
    assert len(sizes) == (4 + 4 * 4 if onednn else 1024)


@pytest.mark.parametrize("memory_budget", [0, 4 * 9, 4 * 16, 4 * 100, 2**27])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 4, 11, 20])
def test_equal_the_product(num_rows: int, memory_budget: int) -> None:
    c = torch.randn(11, 5)
    rows = list(symmetric_rows(c, num_rows, memory_budget))
    assert [len(part) for part in rows[:-1]] == [num_rows] * (len(rows) - 1)
    torch.testing.assert_close(torch.cat(rows), c @ c.t())


def test_each_pair_is_multiplied_once_where_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x) * len(y))
        return x @ y.t()

    monkeypatch.setattr(module, "matmul_t", product)
    c = torch.randn(12, 5)
    list(symmetric_rows(c, 1))
    assert sum(sizes) == 12 * 13 // 2
    sizes.clear()
    list(symmetric_rows(c, 1, memory_budget=0))
    assert sum(sizes) == 12 * 12
    sizes.clear()
    # Groups of four rows, of which four entries are kept.
    list(symmetric_rows(c, 1, memory_budget=4 * 4))
    assert sum(sizes) == 12 * 12 - 3 * 6


@pytest.mark.parametrize("num_rows", [1, 2, 5])
def test_what_is_kept_fits_the_budget(num_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = 4 * 64
    tiles: list[weakref.ref[torch.Tensor]] = []

    def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        out = x @ y.t()
        tiles.append(weakref.ref(out))
        return out

    monkeypatch.setattr(module, "matmul_t", product)

    def size(tile: torch.Tensor | None) -> int:
        return 0 if tile is None else tile.numel()

    held = []
    for _ in symmetric_rows(torch.randn(40, 3), num_rows, budget):
        held.append(sum(size(tile()) for tile in tiles))
    # The last tile made is still at hand.
    assert 0 < 4 * max(held) <= budget + 4 * num_rows**2
    assert held[-1] <= num_rows**2
