from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet


def write_vectors(columns: Mapping[str, Any], name: str, matrix: np.ndarray, path: Path) -> None:
    """Writes a Parquet table of columns of values and a column of vectors, one per row.

    Example:
        >>> import pandas as pd, tempfile
        >>> path = Path(tempfile.mkdtemp(), "x.parquet")
        >>> write_vectors({"item": ["a", "b"]}, "x", np.eye(2), path)
        >>> pd.read_parquet(path)
          item           x
        0    a  [1.0, 0.0]
        1    b  [0.0, 1.0]
    """
    values = pyarrow.array(np.ascontiguousarray(matrix).reshape(-1))
    vectors = pyarrow.FixedSizeListArray.from_arrays(values, matrix.shape[1])
    pyarrow.parquet.write_table(pyarrow.table({**columns, name: vectors}), path)
