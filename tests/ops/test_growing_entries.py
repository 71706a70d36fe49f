import pytest
import torch

from soil_pyg.ops import growing
from soil_pyg.ops.growing import Entries


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
@pytest.mark.parametrize("sizes", [[], [0], [4], [3, 0, 5], [1, 2, 1], [9]])
def test_entries_come_back_in_order(
    monkeypatch: pytest.MonkeyPatch, chunk: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(growing, "CHUNK", chunk)
    kept = Entries()
    total = sum(sizes)
    row, column, value = torch.arange(total), torch.arange(total) * 2, torch.rand(total)
    for parts in zip(row.split(sizes), column.split(sizes), value.split(sizes), strict=True):
        kept.add(*parts)
    assert len(kept) == total
    found = kept.pop()
    assert [x.dtype for x in found] == [torch.int64, torch.int64, torch.float32]
    for ours, expected in zip(found, (row, column, value), strict=True):
        assert ours.equal(expected)
    assert len(kept) == 0
    assert kept.pop()[0].numel() == 0
