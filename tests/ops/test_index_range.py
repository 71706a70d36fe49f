import pytest
import torch

from soil_pyg.ops.index_range import check_range


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_the_ends_of_the_range(dtype: torch.dtype) -> None:
    check_range("'x'", torch.tensor([2, 0], dtype=dtype), 3)
    check_range("'x'", torch.tensor([2, 0], dtype=dtype), None)
    check_range("'x'", torch.tensor([], dtype=dtype), 0)
    with pytest.raises(ValueError, match=r"^'x' must be at least 0 and less than 2 \(got 0..2\)$"):
        check_range("'x'", torch.tensor([2, 0], dtype=dtype), 2)


def test_a_negative_index() -> None:
    with pytest.raises(ValueError, match=r"^'x' must be at least 0 \(got -1..2\)$"):
        check_range("'x'", torch.tensor([2, -1]), None)
