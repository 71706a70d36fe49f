import pytest
import torch

from soil_pyg.ops.distinct_rows import DistinctRows


@pytest.mark.parametrize("num_values", [1, 3, 100])
@pytest.mark.parametrize("k", [1, 4, 30])
def test_equals_loops(num_values: int, k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(num_values, (12, 1), generator=generator).expand(-1, 2) * 1.0
    rows = DistinctRows(x)
    values = x[:, 0].tolist()
    first = [i for i, value in enumerate(values) if value not in values[:i]]
    assert rows.first.tolist() == first
    assert rows.is_all == (len(first) == 12)
    # Positions of distinct rows in any order, and -1 among them.
    position = torch.randint(-1, len(first), (5, 3), generator=generator)
    expected = []
    for found in position.tolist():
        wanted = [values[first[p]] for p in found if p >= 0]
        members = [i for value in wanted for i in range(12) if values[i] == value]
        expected.append((members + [-1] * k)[:k])
    assert rows.expand(position, k).tolist() == expected
