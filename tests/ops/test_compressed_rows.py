from typing import Any

import pytest
import torch

from soil_pyg.ops.compressed_rows import CompressedRows

ROWPTR, COL = torch.tensor([0, 2, 2, 4]), torch.tensor([1, 3, 0, 0])
WEIGHT = torch.tensor([0.5, 2.0, 1.0, 3.0])


def make(**changes: Any) -> CompressedRows:
    """Three rows, of which the second is empty and the third has an entry twice."""
    arguments = {"rowptr": ROWPTR, "col": COL, "weight": WEIGHT, "num_columns": 4}
    return CompressedRows(**{**arguments, **changes})


def test_entries() -> None:
    rows = make()
    assert (rows.size, rows.rowptr.dtype, rows.col.dtype) == ((3, 4), torch.int32, torch.int32)
    assert rows.row().tolist() == [0, 0, 2, 2]
    assert rows.to_dense().tolist() == [[0, 0.5, 0, 2], [0, 0, 0, 0], [4, 0, 0, 0]]
    assert str(rows) == "CompressedRows(3, 4, num_edges=4)"
    wide = make(num_columns=2**31)
    assert (wide.rowptr.dtype, wide.col.dtype) == (torch.int64, torch.int64)
    assert make(num_columns=2**31 - 1).col.dtype == torch.int32


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_integers_of_any_size(dtype: torch.dtype) -> None:
    assert make(rowptr=ROWPTR.to(dtype), col=COL.to(dtype)).to_dense().equal(make().to_dense())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rowptr", ROWPTR.float()), ("rowptr", ROWPTR.unsqueeze(0)), ("rowptr", ROWPTR[:0])),
        *(("col", COL.bool()), ("col", COL.unsqueeze(1)), ("weight", WEIGHT[:3])),
        *(("weight", WEIGHT.unsqueeze(1)), ("num_columns", -1), ("num_columns", 4.0)),
        *(("rowptr", ROWPTR + 1), ("rowptr", ROWPTR[:3]), ("rowptr", ROWPTR.flip(0))),
        *(("rowptr", torch.tensor([0, 3, 2, 4])), ("col", COL + 1), ("col", COL - 1)),
    ],
)
def test_arrays_that_do_not_match(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"'{name}' .*\(got"):
        make(**{name: value})


def test_methods_of_tensors() -> None:
    weight = WEIGHT.clone().requires_grad_()
    rows = make(weight=weight)
    assert rows.weight is weight
    assert not rows.detach().weight.requires_grad
    double = rows.to(torch.float64)
    assert (double.weight.dtype, double.col.dtype) == (torch.float64, torch.int32)
    meta = rows.to("meta")
    for name in ("rowptr", "col", "weight"):
        assert getattr(meta, name).device.type == "meta"
        copied = getattr(rows.clone(), name)
        assert copied.equal(getattr(rows, name))
        assert copied.data_ptr() != getattr(rows, name).data_ptr()
    assert rows.cpu().to_dense().equal(rows.to_dense())
    shared = make(weight=WEIGHT.clone())
    assert shared.share_memory_() is shared
    assert all(x.is_shared() for x in (shared.rowptr, shared.col, shared.weight))
