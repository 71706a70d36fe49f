"""What :func:`soil_pyg.prepare` says of tables of others: what is wrong, and what to do."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_pyg.encoders import TfidfEncoder
from soil_pyg.workflow.prepare import prepare

ITEMS = [f"i{i}" for i in range(5)]
PAIRS = pd.DataFrame({"user": np.repeat([f"u{i}" for i in range(4)], 5), "item": ITEMS * 4})


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("user|item", "['user|item']); the line must name the columns, separated by ',' or ';'"),
        ("My purchases", "['My purchases']); the line must name the columns"),
        ("User,item", "(got ['User', 'item']; did you mean 'User'?): set 'user_column'"),
        ("user, item", "(got ['user', ' item']; did you mean ' item'?): set 'item_column'"),
        ("customer,item", "(got ['customer', 'item']): set 'user_column' (--user-column)"),
    ],
)
def test_columns_of_interactions(header: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(PAIRS.to_csv(index=False).replace("user,item", header, 1))
    with pytest.raises(
        ValueError, match=re.escape("p.csv, line 1: column ") + ".*" + re.escape(said)
    ):
        prepare(path, tmp_path / "DATA")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("x.csv", ["[1, 2]"] * 5, "x.csv, line 2: 'v' must be a number (got '[1, 2]'): write one"),
        ("x.parquet", ["[1, 2]"] * 5, "x.parquet: column 'v' must hold numbers or vectors"),
        ("x.parquet", [Decimal("1.5")] * 5, ", such as Decimal('1.5')): convert it (in pandas: "),
        ("x.csv", None, "x.csv has no column besides 'item': it must have columns of numbers"),
        ("x.parquet", None, "x.parquet has no column besides 'item'"),
        ("x.npz", None, "must be a .npy, .csv, .tsv, .txt, .parquet or .jsonl file (got "),
        ("x.pt", None, "must be a .npy, .csv, .tsv, .txt, .parquet or .jsonl file (got "),
    ],
)
def test_features(name: str, values: Any, said: str, tmp_path: Path) -> None:
    frame, path = pd.DataFrame({"item": ITEMS}), tmp_path / name
    frame = frame if values is None else frame.assign(v=values)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    with pytest.raises(ValueError, match=re.escape(said)):
        prepare(PAIRS, tmp_path / "DATA", {"a": path})


def test_an_index_of_several_levels(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_arrays([ITEMS, range(5)], names=["item", "shop"])
    features = pd.DataFrame(np.ones((5, 2)), index=index)
    with pytest.raises(ValueError, match=r"features\['a'\] .*levels \['item', 'shop'\].*'item'"):
        prepare(PAIRS, tmp_path / "DATA", {"a": features})


def test_python_objects_and_numbers_that_are_not_finite(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[{}]] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"x\.npy .*holds Python objects: save an array of num"):
        prepare(PAIRS, tmp_path / "DATA", {"a": tmp_path / "x.npy"}, item_ids=ITEMS)
    for wrong in (np.nan, 1e39):
        features = pd.DataFrame({"item": ITEMS, "v": [1, 2, wrong, 4, 5], "w": 1.0})
        with pytest.raises(ValueError, match=r"row 2 \(item i2\): drop the row, or fill .* zeros"):
            prepare(PAIRS, tmp_path / "DATA", {"a": features})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"title_column": "Title"}, "'Title' is missing (got ['item', 'title']; did you mean 'ti"),
        (
            {"features": {"text": TfidfEncoder("TITLE")}},
            "no column 'TITLE' (got ['item', 'title'];",
        ),
        ({"split": "time"}, "split 'time' requires 'time_column' (--time-column)"),
        ({"time_column": "item"}, "requires the split 'last' or 'time' (--split) (got split None"),
    ],
)
def test_options(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    items = pd.DataFrame({"item": ITEMS, "title": ITEMS})
    with pytest.raises(ValueError, match=re.escape(said)):
        prepare(PAIRS, tmp_path / "DATA", items=items, **options)


def test_too_few_pairs_to_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no val interactions .*: give more, .*--ratios 1 0 0"):
        prepare(PAIRS[:1], tmp_path / "DATA")
    assert prepare(PAIRS[:1], tmp_path / "DATA", ratios=(1, 0, 0))["counts"]["train"] == 1


def test_ids_with_a_decimal_point(tmp_path: Path) -> None:
    frame = PAIRS.assign(user=np.repeat([0.0, 1, 2, 3], 5))
    with pytest.raises(ValueError, match=r"row 0: 'user' .*\(got 0\.0\): convert the column to"):
        prepare(frame, tmp_path / "DATA")
