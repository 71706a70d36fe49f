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


def test_rows_with_long_vectors_are_compared_whole() -> None:
    first, second = np.zeros(1500), np.zeros(1500)
    second[700:800] = 1
    for other, is_copy in ((first, True), (second, False)):
        frame = pd.DataFrame({"item": ["a", "a", "b"], "v": [first, other, first]})
        if is_copy:
            assert ItemTable(frame, "item").ids.tolist() == ["a", "b"]
            continue
        with pytest.raises(ValueError, match="'items', row 1: the item already has another row"):
            ItemTable(frame, "item")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_lists_are_no_pictures(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": ["a", "b"], "image": [["https://a/0", "https://a/1"], []]})
    path = tmp_path / f"x.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    assert list(ItemTable(path, "item").select(np.array(["a"]))) == ["item"]


def test_an_empty_path_is_no_picture() -> None:
    frame = pd.DataFrame({"item": ["a", "b"], "image": ["", "x.png"]})
    assert ItemTable(frame, "item").select(np.array(["a", "b"]))["image"].isna().tolist() == [1, 0]


def test_columns_of_the_same_written_name_are_refused() -> None:
    frame = pd.DataFrame({"item": ["a"], 1: [1], "1": [2]})
    with pytest.raises(ValueError, match="'items': column '1' occurs twice"):
        ItemTable(frame, "item")


def test_texts_that_cannot_be_stored_are_named() -> None:
    frame = pd.DataFrame({"item": ["a", "b"], "title": ["x", "\ud800"]}, dtype=object)
    with pytest.raises(ValueError, match="'items', row 1: 'title' must be valid text"):
        ItemTable(frame, "item")


def test_numbers_in_text_keep_all_digits(tmp_path: Path) -> None:
    large = 2**53 + 1
    rows = [f"1,{large},1E5,1995,1e-05,{2**70}", f"2,,2E7,,0.3333333333333333,{2**70 + 1}"]
    (tmp_path / "x.csv").write_text("\n".join(["item,ean,code,year,price,huge", *rows]) + "\n")
    frame = ItemTable(tmp_path / "x.csv", "item").select(np.array([1, 2]))
    frame.to_parquet(tmp_path / "x.parquet")
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert (int(frame["ean"][0]), int(frame["year"][0])) == (large, 1995)
    assert frame["ean"].isna().tolist() == frame["year"].isna().tolist() == [False, True]
    assert frame["code"].tolist() == ["1E5", "2E7"]
    assert frame["price"].tolist() == [1e-05, 1 / 3]
    assert frame["huge"].tolist() == [str(2**70), str(2**70 + 1)]


def test_texts_of_the_same_number_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item,version,price\n1,1.1,9.50\n2,1.10,10.00\n3,1.1,9.50\n")
    frame = ItemTable(tmp_path / "x.csv", "item").select(np.array([1, 2, 3]))
    assert frame["version"].tolist() == ["1.1", "1.10", "1.1"]
    assert frame["price"].tolist() == [9.5, 10, 9.5]
