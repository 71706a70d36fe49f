from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the data set "tiny": 30 users, 20 items and three modalities."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "root" / "tiny"
    folder.mkdir(parents=True)
    lines = ["userID\titemID\tx_label"]
    for user in range(30):
        items = rng.permutation(20)[:8]
        labels = [0, 0, 0, 0, 0, 0, 1, 2]
        lines += [f"{user}\t{item}\t{label}" for item, label in zip(items, labels, strict=True)]
    (folder / "tiny.inter").write_text("\n".join(lines) + "\n")
    for modality, size in {"audio": 4, "image": 6, "text": 5}.items():
        np.save(folder / f"{modality}_feat.npy", rng.standard_normal((20, size)).astype("f4"))
    return folder.parent
