from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.datasets.item_table import ItemTable
from soil_pyg.datasets.modality_source import resolve_features, with_pictures

ITEM_ID = np.array(["gin", "rum", "tea"])
ITEMS = ItemTable(pd.DataFrame({"item": ["tea", "gin"], "title": ["Green tea", "Gin"]}), "item")


class Lengths:
    """Encodes titles by their lengths."""

    name, version = "lengths", "1.0"

    def __init__(self, num_rows: int | None = None) -> None:
        self.num_rows = num_rows

    def encode(self, items: pd.DataFrame) -> Any:
        lengths = items["title"].str.len().astype(float).to_numpy()
        return np.stack([lengths, lengths], axis=1)[: self.num_rows]


def test_what_an_encoder_is() -> None:
    assert isinstance(Lengths(), Encoder)
    assert not isinstance("x", Encoder)
    assert not isinstance(Path("x"), Encoder)
    assert not isinstance(pd.DataFrame({"name": [1]}), Encoder)


def test_an_encoder_sees_the_items_in_their_order() -> None:
    matrix, ids = resolve_features("text", Lengths(), ITEM_ID, ITEMS, None, "item")
    assert ids is ITEM_ID
    assert matrix.tolist() == [[3, 3], [0, 0], [9, 9]]


def test_without_a_table_an_encoder_sees_the_ids() -> None:
    class Ids:
        name, version = "ids", "1"

        def encode(self, items: pd.DataFrame) -> Any:
            assert list(items.columns) == ["item"]
            return items["item"].str.len().to_numpy(dtype=np.float32)[:, None] + 1

    matrix, _ = resolve_features("text", Ids(), ITEM_ID, None, None, "item")
    assert matrix.tolist() == [[4], [4], [4]]


def test_encoders_that_cannot_be_right_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features\['text'\]: 'lengths' .* 2 .* 3 "):
        resolve_features("text", Lengths(num_rows=2), ITEM_ID, ITEMS, None, "item")


def test_the_rows_of_a_matrix_are_those_of_the_ids(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    np.save(path, np.array([[1.0], [2.0]]))
    (tmp_path / "ids.txt").write_text("rum\ntea\n")

    def rows(items: ItemTable | None, item_ids: Any) -> Any:
        matrix, ids, origin = resolve_features("image", str(path), ITEM_ID, items, item_ids, "item")
        assert (matrix.tolist(), origin) == ([[1], [2]], path)
        return list(ids)

    assert rows(ITEMS, None) == ["tea", "gin"]
    assert rows(ITEMS, ["gin", "rum"]) == ["gin", "rum"]
    assert rows(None, tmp_path / "ids.txt") == ["rum", "tea"]
    with pytest.raises(ValueError, match=r"image\.npy .*'item_ids' \(--item-ids\) .*--items"):
        rows(None, None)
    with pytest.raises(ValueError, match=r"image\.npy .* 2 rows.*'item_ids' .* 3 "):
        rows(None, ["gin", "rum", "tea"])
    with pytest.raises(FileNotFoundError, match=r"features\['image'\]: .*no\.npy"):
        resolve_features("image", "no.npy", ITEM_ID, ITEMS, None, "item")


@pytest.mark.parametrize("source", ["text.parquet", (np.ones((1, 2)), ["tea"])])
def test_what_is_keyed_stays_as_it_is(source: Any) -> None:
    assert resolve_features("text", source, ITEM_ID, None, None, "item") is source


def test_the_pictures_of_encoders_join_the_table_of_items(tmp_path: Path) -> None:
    class Pictures:
        files = (tmp_path / "a.png", None)

    ids = np.array(["a", "b"])
    found = with_pictures(None, ids, {"text": tmp_path, "image": Pictures()})
    assert found is not None
    assert found.fillna("").to_numpy().tolist() == [["a", str(tmp_path / "a.png")], ["b", ""]]
    given = pd.DataFrame({"item": ids, "image": ["x", "y"]})
    assert with_pictures(given, ids, {"image": Pictures()}) is given
    assert with_pictures(None, ids, {"text": tmp_path}) is None
