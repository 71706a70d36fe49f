import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.datasets.ids import Ids
from soil_pyg.datasets.known_split import KnownSplit
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(data: HeteroData, **description: object) -> Path:
        folder = tmp_path / "known"
        folder.mkdir()
        save_data_folder(folder, data, None, description)
        return folder

    return write


def test_labels_agree_with_a_dictionary(data: HeteroData, save: Callable[..., Path]) -> None:
    known = KnownSplit.load(save(data, arguments={"seed": 3}))
    labels = {
        (str(data[USER].id[user]), str(data[ITEM].id[item])): label
        for label, name in enumerate(EDGE_INDICES)
        for user, item in data[INTERACTS][name].t().tolist()
    }
    assert len(known.label) == len(labels)
    rng = np.random.default_rng(0)
    user = Ids(rng.integers(40, size=500), np.array([str(5 * user) for user in range(40)]))
    item = Ids(rng.integers(40, size=500), np.array([f"item {item}" for item in range(60, 20, -1)]))
    pairs = zip(user.values[user.position], item.values[item.position], strict=True)
    assert known.labels(user, item).tolist() == [labels.get(pair, -1) for pair in pairs]
    assert (known.split, known.digest) == ("random", data.digest)


def test_kinds_of_split(data: HeteroData, save: Callable[..., Path]) -> None:
    folder = save(data, arguments={"split": "last", "split_column": None})
    assert KnownSplit.load(folder).split == "last"


def test_folders_that_cannot_be_continued(
    data: HeteroData, save: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(f"'{tmp_path / 'no'}'")):
        KnownSplit.load(tmp_path / "no")
    for change in ("arguments", "ids", "splits"):
        other = data.clone()
        if change == "ids":
            del other[ITEM].id
        if change == "splits":
            del other[INTERACTS].val_edge_label_index
        folder = save(other, **({} if change == "arguments" else {"arguments": {}}))
        with pytest.raises(ValueError, match=re.escape("'like' (--like)")):
            KnownSplit.load(folder)
        folder.rename(tmp_path / change)
