from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROWS = [(0, 0, 0), (0, 1, 0), (0, 2, 1), (1, 1, 0), (1, 3, 2), (3, 0, 0), (3, 2, 0), (4, 1, 1)]
"""Users 2 and 4 have no training interactions."""


@pytest.fixture(autouse=True)
def user_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., Path]:
    def write(
        rows: list[tuple[object, ...]] = ROWS,
        header: str = "userID\titemID\tx_label",
        name: str = "toy",
        content: str | None = None,
        **features: np.ndarray,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        lines = [header, *("\t".join(map(str, row)) for row in rows)]
        if content is None:
            content = "\n".join(lines) + "\n"
        (folder / f"{name}.inter").write_bytes(content.encode())
        for modality, matrix in features.items():
            np.save(folder / f"{modality}_feat.npy", matrix)
        return tmp_path

    return write
