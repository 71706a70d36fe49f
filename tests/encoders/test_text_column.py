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


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["name"], r"'items' .*'name' \(got \['item', 'title', 'brand', 'price'\]\)"),
        (["price"], r"'price' .*\(got 2.5 for item 'milk'\)"),
        (["title", "brand"], "'title' and 'brand'"),
    ],
)
def test_columns_without_texts_are_refused(columns: list[str], message: str) -> None:
    items = pd.DataFrame({"item": ["tea", "milk"], "title": [None, " "], "brand": ["", None]})
    with pytest.raises(ValueError, match=message):
        read_texts(items.assign(price=[np.nan, 2.5]), columns)
