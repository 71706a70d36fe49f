import numpy as np
import pandas as pd
import pytest

from soil_pyg.encoders.text_column import read_texts


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_missing_texts_are_empty(dtype: str) -> None:
    values = pd.Series([" tea ", None, np.nan, pd.NA, "", " \n", "NaN"], dtype=dtype)
    items = pd.DataFrame({"item": range(7), "title": values})
    assert read_texts(items, ["title"]) == ["tea", "", "", "", "", "", "NaN"]


def test_texts_of_several_columns_are_joined() -> None:
    items = pd.DataFrame({"title": ["tea", "milk", None], "brand": ["Best", None, None]})
    assert read_texts(items, ["title", "brand"]) == ["tea\nBest", "milk", ""]


def test_lone_surrogates_are_replaced() -> None:
    assert read_texts(pd.DataFrame({"title": ["a\ud800b", "𝄞"]}, dtype=object), ["title"]) == [
        "a?b",
        "𝄞",
    ]


def test_column_that_does_not_exist() -> None:
    items = pd.DataFrame({"item": [1], "title": ["tea"]})
    message = r"no column 'name' \(got \['item', 'title'\]\)"
    with pytest.raises(ValueError, match=message):
        read_texts(items, ["name"])


def test_column_of_numbers() -> None:
    items = pd.DataFrame({"item": ["tea", "milk"], "price": [np.nan, 2.5]})
    message = r"column 'price' must hold texts \(got 2.5 for item 'milk'\)"
    with pytest.raises(ValueError, match=message):
        read_texts(items, ["price"])


def test_column_without_a_text() -> None:
    items = pd.DataFrame({"item": [1, 2], "title": [None, " "], "brand": ["", None]})
    with pytest.raises(ValueError, match="no item has a text in column 'title' and 'brand'"):
        read_texts(items, ["title", "brand"])
