import pytest
import torch

from soil_pyg.ops import topk as module
from soil_pyg.ops.topk import GROUP_SIZE, _topk_grouped


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("num_columns", [80, 81, 87, 400])
def test_long_topk_as_sorted(k: int, num_columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", GROUP_SIZE)
    scores = torch.randn(50, num_columns, generator=torch.Generator().manual_seed(k))
    # The best beside each other, in one group, in what is left over, and fewer than k.
    scores[0, :k] += 10
    scores[1, :: num_columns // GROUP_SIZE] += 10
    scores[2, -k:] += 10
    scores[3, 1:] = -torch.inf
    values, columns = _topk_grouped(scores, k)
    expected, order = scores.sort(dim=1, descending=True)
    assert torch.equal(values, expected[:, :k])
    assert torch.equal(columns[:3], order[:3, :k])
    assert torch.equal(scores.gather(1, columns), values)
    assert all(row.unique().numel() == k for row in columns)


def test_long_topk_with_ties_returns_each_column_once() -> None:
    scores = torch.zeros(3, module.FEW * 4)
    scores[0, 100:102] = 1.0
    values, columns = _topk_grouped(scores, 4)
    assert values.tolist() == [[1.0, 1.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4]
    assert all(row.unique().numel() == 4 for row in columns)
    assert set(columns[0, :2].tolist()) == {100, 101}


def test_long_topk_of_rows_that_are_not_contiguous() -> None:
    scores = torch.randn(module.FEW * 2, 6, generator=torch.Generator().manual_seed(0)).t()
    values, columns = _topk_grouped(scores, 2)
    assert torch.equal(values, scores.topk(2).values)
    assert torch.equal(columns, scores.topk(2).indices)


def test_long_topk_leaves_short_rows_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.randn(2, module.FEW * 3 - 1, generator=torch.Generator().manual_seed(0))
    expected = scores.topk(3)
    monkeypatch.setattr(torch, "arange", None)
    values, columns = _topk_grouped(scores, 3)
    assert torch.equal(values, expected.values)
    assert torch.equal(columns, expected.indices)
