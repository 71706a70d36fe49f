"""Kinds of wrong values for an argument of a function, by the type of value that it takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Values = Mapping[str, Any]
NAN, INF = float("nan"), float("inf")

NUMBER: Values = {
    "a text": "many",
    "digits in a text": "3",
    "NaN": NAN,
    "infinity": INF,
    "a list": [3],
    "true": True,
    "an array": np.array([1, 2]),
    "a complex number": 1j,
    "a negative number": -1,
}
INTEGER: Values = {**NUMBER, "a fraction": 1.5, "a huge number": 10**20}
COUNT: Values = {**INTEGER, "zero": 0, "None": None}
SWITCH: Values = {"a text": "yes", "a number": 2, "None": None, "a list": [True], "a float": 0.5}
CHOICE: Values = {
    "an unknown choice": "nothing",
    "a number": 3,
    "a list": ["x"],
    "an empty text": "",
}
NAME: Values = {"a number": 3, "a list": ["x"], "bytes": b"x", "an empty text": "", "true": True}
RUN: Values = {
    "a missing folder": "missing",
    "a file in place of a folder": "p.csv",
    "data in place of a run": "DATA",
    "an unfinished run": "UNFINISHED",
    "an empty folder": "empty",
    "an empty text": "",
    "None": None,
    "a number": 5,
    "bytes": b"RUN",
    "a list": ["RUN"],
    "a frame": pd.DataFrame(),
}
DATA: Values = {
    "a missing folder": "missing",
    "a file in place of a folder": "p.csv",
    "a run in place of data": "RUN",
    "other data": "OTHER",
    "an empty folder": "empty",
    "an empty text": "",
    "a number": 5,
    "bytes": b"DATA",
    "a list": ["DATA"],
    "a frame": pd.DataFrame(),
}
SOURCE: Values = {kind: value for kind, value in DATA.items() if kind != "other data"} | {
    "None": None
}
IDS: Values = {
    "a text": "ann",
    "a number": 5,
    "no ids": [],
    "an unknown id": ["nobody"],
    "an unknown number": [7],
    "None among the ids": [None],
    "NaN among the ids": [NAN],
    "bytes": b"u1",
    "bytes among the ids": [b"u1"],
    "a nested list": [["u1", "v1"]],
    "true": [True],
    "a missing file": Path("missing.txt"),
    "a folder in place of a file": Path("root"),
    "an array of two dimensions": np.array([["u1"], ["v1"]]),
}
ID: Values = {
    "an unknown id": "nobody",
    "None": None,
    "NaN": NAN,
    "a list": ["u1", "v1"],
    "bytes": b"u1",
    "true": True,
    "a number": 7,
}
PATH: Values = {
    "None": None,
    "a number": 5,
    "an empty text": "",
    "a list": ["NEW"],
    "bytes": b"NEW",
}
FOLDER: Values = {
    **PATH,
    "a file in place of a folder": "p.csv",
    "a folder with other files": "root",
    "a folder below a file": "p.csv/NEW",
}
TABLE: Values = {
    "a missing file": "missing.csv",
    "a folder in place of a file": "root",
    "a wrong extension": "notes.txt",
    "None": None,
    "a number": 5,
    "a list": [1],
    "a dictionary": {"user": ["a"], "item": ["b"]},
    "bytes": b"p.csv",
    "no rows": pd.DataFrame({"user": [], "item": []}),
    "no columns": pd.DataFrame(),
    "other columns": pd.DataFrame({"a": [1]}),
    "a column twice": pd.DataFrame([["a", "b", "c"]], columns=["user", "item", "item"]),
    "an id that is null": pd.DataFrame({"user": ["a", None], "item": ["b", "c"]}),
}
COLUMN: Values = {
    "a missing column": "name",
    "a number": 3,
    "a list": ["user"],
    "an empty text": "",
}
FEATURES: Values = {
    "None": None,
    "a list": [1],
    "an unknown modality": {"smell": np.ones((1, 6))},
    "too many rows": {"visual": np.ones((2, 6)), "text": np.ones((2, 5))},
    "too few rows": {"visual": np.ones((0, 6)), "text": np.ones((1, 5))},
    "too many columns": {"visual": np.ones((1, 7)), "text": np.ones((1, 5))},
    "one dimension": {"visual": np.ones(6), "text": np.ones((1, 5))},
    "NaN": {"visual": np.full((1, 6), NAN), "text": np.ones((1, 5))},
    "infinity": {"visual": np.full((1, 6), INF), "text": np.ones((1, 5))},
    "texts": {"visual": np.full((1, 6), "a"), "text": np.ones((1, 5))},
    "complex numbers": {"visual": np.full((1, 6), 1j), "text": np.ones((1, 5))},
    "nothing but zeros": {"visual": np.zeros((1, 6)), "text": np.zeros((1, 5))},
    "a text": {"visual": "new_visual.parquet", "text": np.ones((1, 5))},
}
NEW_IDS: Values = {
    "no ids": [],
    "a known id": ["v1"],
    "None": None,
    "a number": 5,
    "a text": "n0",
    "None among the ids": [None],
    "a list among the ids": [["n0"]],
}
