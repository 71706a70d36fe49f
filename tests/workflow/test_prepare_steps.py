from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.workflow.prepare import prepare

PAIRS = pd.DataFrame({"user": np.repeat(range(4), 5), "item": np.tile(range(5), 4)})
FEATURES = (np.eye(5), list(range(5)))


def test_modalities_that_are_lost_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "DATA"
    prepare(PAIRS, data, {"taste": FEATURES, "smell": FEATURES})
    prepare(PAIRS, tmp_path / "NEW", {"smell": FEATURES, "taste": FEATURES}, like=data)
    assert not caplog.records
    prepare(PAIRS, data, {"smell": FEATURES}, like=data, overwrite=True)
    assert [record.getMessage() for record in caplog.records] == [
        f"'{data}' has the modalities taste, unlike this data: give their features again"
    ]
