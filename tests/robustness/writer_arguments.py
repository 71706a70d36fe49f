"""Wrong arguments of the functions that write data and runs: one line per argument."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from python_values import (
    CHOICE,
    COLUMN,
    COUNT,
    DATA,
    FOLDER,
    INTEGER,
    NAME,
    NAN,
    NUMBER,
    RUN,
    SOURCE,
    SWITCH,
    TABLE,
    Values,
)

PREPARE: Mapping[str, Values] = {
    "interactions": TABLE,
    "out": FOLDER,
    "features": {
        "a list": [1],
        "a text": "visual.npy",
        "a number": {"visual": 3},
        "None": {"visual": None},
        "an empty name": {"": "visual.parquet"},
        "a number for a name": {3: "visual.parquet"},
        "a missing file": {"visual": "missing.npy"},
        "a matrix without ids": {"visual": np.ones((16, 2))},
        "the wrong number of ids": {"visual": (np.ones((2, 2)), ["v0"])},
        "one dimension": {"visual": (np.ones(2), ["v0", "v1"])},
    },
    "items": {
        "a missing file": "missing.csv",
        "a folder in place of a file": "root",
        "a number": 5,
        "a list": [1],
        "other columns": pd.DataFrame({"a": [1]}),
        "an id twice": pd.DataFrame({"item": ["v1", "v1"]}),
        "an id that is null": pd.DataFrame({"item": ["v1", None]}),
    },
    "item_ids": {"a missing file": "missing.txt", "a number": 5, "a set": {"a"}},
    "user_column": COLUMN,
    "item_column": COLUMN,
    "rating_column": COLUMN,
    "min_rating": {"a text": "3", "NaN": NAN, "a list": [3], "true": True},
    "time_column": COLUMN,
    "split_column": COLUMN,
    "split": CHOICE,
    "ratios": {
        "a text": "0.8",
        "two numbers": (0.8, 0.2),
        "a sum below one": (0.1, 0.1, 0.1),
        "a negative number": (1.2, -0.1, -0.1),
        "NaN": (NAN, 0.1, 0.1),
        "no val": (0.9, 0.0, 0.1),
        "texts": ("0.8", "0.1", "0.1"),
        "a number": 0.8,
    },
    "seed": INTEGER,
    "like": {kind: value for kind, value in DATA.items() if kind != "other data"},
    "k_core": COUNT,
    "title_column": COLUMN,
    "image_column": COLUMN,
    "image_folder": {"a number": 5, "a missing folder": "missing"},
    "keep_items": SWITCH,
    "name": {"a number": 3, "a list": ["x"], "bytes": b"x"},
    "overwrite": SWITCH,
}
"""The wrong values of the arguments of :func:`soil_pyg.prepare`."""

TRAIN: Mapping[str, Values] = {
    "data": SOURCE,
    "out": FOLDER,
    "model": {kind: v for kind, v in NAME.items() if v is not None}
    | {"an unknown name": "nothing"},
    "profile": CHOICE,
    "seed": INTEGER,
    "final": {kind: value for kind, value in RUN.items() if value is not None},
    "init": {kind: value for kind, value in RUN.items() if value is not None},
    "device": CHOICE | {"None": None},
    "devices": COUNT,
    "num_nodes": COUNT,
    "strategy": CHOICE,
    "shard_tables": SWITCH,
    "tensorboard": SWITCH,
    "overwrite": SWITCH,
    "progress": SWITCH,
    "epochs": {kind: value for kind, value in COUNT.items() if kind != "digits in a text"},
    "lr": {kind: value for kind, value in NUMBER.items() if kind != "digits in a text"}
    | {"zero": 0},
    "ks": {"a text": "5", "no lengths": [], "zero": [0], "a number": 5},
    "metric": CHOICE,
    "nothing": {"an unknown option": 3},
}
"""The wrong values of the arguments of :func:`soil_pyg.train`."""
