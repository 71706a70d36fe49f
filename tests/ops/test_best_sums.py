import pytest
import torch
from torch import Tensor

from soil_pyg.ops.best_sums import BestSums

NUM_ROWS, NUM_COLUMNS = 7, 12


@pytest.mark.parametrize("block_size", [1, 5, NUM_COLUMNS])
@pytest.mark.parametrize("k", [1, 3, NUM_COLUMNS, NUM_COLUMNS + 2])
def test_equals_the_sort_of_whole_rows(k: int, block_size: int) -> None:
    exact = torch.randint(0, 4, (NUM_ROWS, NUM_COLUMNS), generator=torch.manual_seed(k)).float()
    tolerance = torch.linspace(0.01, 0.04, NUM_ROWS)
    error = torch.rand(NUM_ROWS, NUM_COLUMNS, generator=torch.manual_seed(0)) * 2 - 1
    entries = exact + error * tolerance.unsqueeze(1)
    asked: list[Tensor] = []

    def compute(row: Tensor, column: Tensor) -> Tensor:
        asked.append(row)
        return exact[row, column]

    best = BestSums(NUM_COLUMNS, k, tolerance)
    for start in range(0, NUM_COLUMNS, block_size):
        best.add(start, entries[:, start : start + block_size])
    found = best.pop(compute).sort().values
    largest = exact.sort(dim=1, descending=True, stable=True).indices[:, :k]
    expected = torch.arange(NUM_ROWS).unsqueeze(1) * NUM_COLUMNS + largest
    assert found.equal(expected.view(-1).sort().values)
    assert len(best) == 0
    # Only entries that may tie are computed again.
    assert asked[0].equal(asked[0].sort().values)
    assert asked[0].numel() < NUM_ROWS * NUM_COLUMNS


def test_rows_without_entries() -> None:
    best = BestSums(2, 1, torch.zeros(2))
    best.add(0, torch.tensor([[-torch.inf, -torch.inf], [-torch.inf, -5.0]]))
    assert best.pop(lambda row, column: torch.zeros(row.numel())).tolist() == [3]
