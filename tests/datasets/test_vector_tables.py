from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.vector_tables import write_vectors


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rows_come_back(dtype: str, tmp_path: Path) -> None:
    matrix = np.arange(12).reshape(4, 3).astype(dtype).T
    write_vectors({"sku": ["b", "a", "c"]}, "x", matrix, tmp_path / "x.parquet")
    table = pd.read_parquet(tmp_path / "x.parquet")
    assert table["sku"].tolist() == ["b", "a", "c"]
    found = np.stack(table["x"])
    assert found.dtype == matrix.dtype
    assert np.array_equal(found, matrix)
