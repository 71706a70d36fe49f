import pytest
import torch

from soil_pyg.nn import LightConv
from soil_pyg.ops.from_sparse import from_sparse


@pytest.mark.parametrize("has_values", [True, False])
def test_sparse_tensors_of_torch_sparse(has_values: bool) -> None:
    torch_sparse = pytest.importorskip("torch_sparse")
    row, col = torch.tensor([0, 0, 2, 3]), torch.tensor([0, 2, 1, 2])
    value = torch.tensor([1.0, 0.5, 2.0, 3.0]) if has_values else None
    matrix = torch_sparse.SparseTensor(row=row, col=col, value=value, sparse_sizes=(4, 3))
    expected = torch.zeros(4, 3)
    expected[row, col] = torch.ones(4) if value is None else value
    torch.testing.assert_close(from_sparse(matrix).to_dense(), expected)
    x = torch.arange(12.0).view(3, 4)
    torch.testing.assert_close(LightConv()((x, torch.zeros(4, 4)), matrix), expected @ x)
