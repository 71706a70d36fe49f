import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

DEFAULT = Path(__file__).parents[2].parent / "shared" / "golden"


@pytest.fixture
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Loads the golden values of a model or of the metrics by name."""
    folder = Path(os.environ.get("SOIL_GOLDEN", DEFAULT))
    if not folder.is_dir():
        pytest.skip(f"no golden values in {folder}; set SOIL_GOLDEN")

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
            return dict(archive)

    return load
