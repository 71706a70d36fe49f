import weakref

import pytest
import torch

from soil_pyg.ops import matmul as module
from soil_pyg.ops.matmul import symmetric_rows


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
