from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.layouts import read_source

FRAME = pd.DataFrame(
    {
        "user": ["ann", "ann", "ann", "bob"],
        "item": ["tea", "rum", "gin", "gin"],
        "split": ["train", "val", "test", "train"],
    }
)


def test_tables_are_read_with_the_columns_asked_for(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "bar.csv", index=False)
    for source, name in ((FRAME, "table"), (tmp_path / "bar.csv", "bar")):
        read = read_source(source, "user", "item", ["split"])
        assert read.name == name
        assert read.split_column is None
        assert read.items is None
        assert read.table.frame["split"].tolist() == FRAME["split"].tolist()
    assert read.files == {"interactions": tmp_path / "bar.csv"}


def test_a_folder_in_the_layout_of_mmrec(layout: Callable[..., Path]) -> None:
    folder = layout(image=np.ones((5, 2)), name="toy") / "toy"
    read = read_source(folder, "u", "i", [])
    assert read.name == "toy"
    assert list(read.table.frame) == ["u", "i", "x_label"]
    assert read.split_column == "x_label"
    assert read.items is not None
    assert read.items.tolist() == [0, 1, 2, 3, 4]
    assert list(read.features) == ["image"]
    assert read.table.where(0) == f"{folder / 'toy.inter'}, line 2"
    assert list(read.files) == ["interactions", "features.image"]
    np.save(folder / "text_feat.npy", np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"image_feat\.npy has 5, .*text_feat\.npy has 4"):
        read_source(folder, "u", "i", [])
    with pytest.raises(FileNotFoundError, match=r"\.inter"):
        read_source(folder.parent, "u", "i", [])
