from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.item_table import ItemTable

FRAME = pd.DataFrame(
    {
        "asin": ["tea", "rum", "gin"],
        "name": ["Green tea", None, 7],
        "picture": ["tea.jpg", "http://x.org/rum.jpg", None],
        "price": [3, 9, 12],
        "tags": [["hot"], [], None],
        "title": ["x", "y", "z"],
    }
)


def test_rows_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    table = ItemTable(FRAME, "asin", "name", "picture", tmp_path)
    assert table.ids.tolist() == ["tea", "rum", "gin"]
    frame = table.select(np.array(["ale", "gin", "tea"]))
    assert list(frame) == ["item", "title", "image", "asin", "name", "picture", "price", "tags"]
    assert frame["item"].tolist() == ["ale", "gin", "tea"]
    assert frame["title"].isna().tolist() == [True, False, False]
    assert frame["title"].tolist()[1:] == ["7", "Green tea"]
    assert frame["image"].isna().tolist() == [True, True, False]
    assert frame["image"].tolist()[2] == str(tmp_path / "tea.jpg")
    assert frame["price"].tolist()[1:] == [12, 3]
    frame.to_parquet(tmp_path / "x.parquet")


def test_titles_and_pictures_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item,title,image\n7,NA,a.png\n08,tea,/b.png\n")
    frame = ItemTable(tmp_path / "x.csv", "item").select(np.array(["08", "7"]))
    assert frame["title"].tolist()[0] == "tea"
    assert frame["image"].tolist() == ["/b.png", str(tmp_path / "a.png")]
    frame = ItemTable(FRAME.drop(columns="title"), "asin").select(np.array(["rum"]))
    assert list(frame) == ["item", "asin", "name", "picture", "price", "tags"]
    integers = ItemTable(pd.DataFrame({"item": [5, 3]}), "item").select(np.array([3, 4]))
    assert integers["item"].tolist() == [3, 4]


def test_an_address_stays_as_it_is() -> None:
    frame = ItemTable(FRAME, "asin", image_column="picture").select(np.array(["rum", "tea"]))
    assert frame["image"].tolist() == ["http://x.org/rum.jpg", str(Path("tea.jpg").absolute())]


def test_values_of_separated_text_come_as_written(tmp_path: Path) -> None:
    rows = "7,1984,00501,5,x\n8,,02134,7.5,\n9,007,10115,,y\n"
    (tmp_path / "x.csv").write_text(f"item,title,zip,price,note\n{rows}")
    frame = ItemTable(tmp_path / "x.csv", "item").select(np.array([7, 8, 9]))
    assert frame["title"].fillna("").tolist() == ["1984", "", "007"]
    assert frame["zip"].tolist() == ["00501", "02134", "10115"]
    assert frame["price"].fillna(0).tolist() == [5, 7.5, 0]
    assert frame["price"].dtype == float
    assert frame["note"].fillna("").tolist() == ["x", "", "y"]


def test_an_index_that_repeats_does_not_matter() -> None:
    frame = ItemTable(FRAME.set_axis([0, 0, 0]), "asin").select(np.array(["gin"]))
    assert frame["title"].tolist() == ["z"]


def test_tables_that_cannot_be_right_are_refused() -> None:
    cases = [
        (FRAME.rename(columns={"name": "title"}), "asin", {}, "'items': .*'title' .*twice"),
        (FRAME, "id", {}, "'items': .*'id'"),
        (FRAME, "asin", {"title_column": "t"}, "'items': .*'t' .*'title_column' .*--title-column"),
        (FRAME, "asin", {"image_column": "t"}, "'items': .*'t' .*'image_column' .*--image-column"),
        (FRAME.head(0), "asin", {}, "'items' .*no rows"),
        (FRAME.assign(asin=["a", "b", "a"]), "asin", {}, "'items', row 2: .*already"),
        (FRAME.assign(asin=["a", None, "b"]), "asin", {}, "'items', row 1: .*missing"),
    ]
    for frame, column, options, message in cases:
        with pytest.raises(ValueError, match=message):
            ItemTable(frame, column, **options)
    with pytest.raises(FileNotFoundError, match=r"'items': .*nowhere\.csv"):
        ItemTable("nowhere.csv", "item")


def test_rows_that_repeat_another_are_left_out() -> None:
    """As in the tables of Amazon."""
    frame = pd.DataFrame(
        {
            "asin": ["b", "a", "b", "c"],
            "title": ["B", "A", "B", "C"],
            "image": [["https://a/1.jpg"], [], ["https://a/1.jpg"], None],
        }
    )
    table = ItemTable(frame, "asin")
    assert table.ids.tolist() == ["b", "a", "c"]
    found = table.select(np.array(["a", "b", "c"]))
    assert found["title"].tolist() == ["A", "B", "C"]
    # A list of addresses is no picture.
    assert list(found) == ["item", "title", "asin"]
    with pytest.raises(ValueError, match="row 2: the item already has another row"):
        ItemTable(frame.assign(title=["B", "A", "D", "C"]), "asin")
