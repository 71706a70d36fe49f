from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.item_table import ItemTable, read_item_ids

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


def test_tables_that_cannot_be_right_are_refused() -> None:
    cases = [
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


def test_item_ids_of_rows(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("tea\n007\n\ngin\n", "utf-8")
    np.save(tmp_path / "x.npy", np.array(["tea", "gin"]))
    np.save(tmp_path / "y.npy", np.array([1.5]))
    np.save(tmp_path / "z.npy", np.array([None]))
    (tmp_path / "x.csv").write_text("n,item\n1,tea\n2,gin\n")
    assert read_item_ids(tmp_path / "x.txt", "item") == ["tea", "007", "", "gin"]
    assert read_item_ids(tmp_path / "x.npy", "item") == ["tea", "gin"]
    assert read_item_ids(tmp_path / "x.csv", "item") == ["tea", "gin"]
    for name, problem in (("y.npy", r"\(got float64, shape \(1,\)\)"), ("z.npy", "pickle")):
        with pytest.raises(ValueError, match=rf"'item_ids': .*{name} .*{problem}"):
            read_item_ids(tmp_path / name, "item")
    with pytest.raises(FileNotFoundError, match=r"'item_ids': .*no\.txt"):
        read_item_ids(tmp_path / "no.txt", "item")
