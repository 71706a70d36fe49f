"""Wrong arguments of the functions of the package: one line per argument of a function."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import soil_pyg
from harness import Case
from soil_pyg.workflow.export import export_embeddings, export_hetero_data, export_mmrec
from soil_pyg.workflow.similar import similar_blocks

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
CHOICE: Values = {"an unknown choice": "nothing", "a number": 3, "a list": ["x"], "an empty text": ""}
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
SOURCE: Values = {kind: value for kind, value in DATA.items() if kind != "other data"} | {"None": None}
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
PATH: Values = {"None": None, "a number": 5, "an empty text": "", "a list": ["NEW"], "bytes": b"NEW"}
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
COLUMN: Values = {"a missing column": "name", "a number": 3, "a list": ["user"], "an empty text": ""}
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

NEW_ITEM = {"visual": np.ones((1, 6)), "text": np.ones((1, 5))}
FEW = pd.DataFrame({"user": ["zoe"], "item": ["v1"]})

FUNCTIONS: dict[Callable[..., Any], tuple[dict[str, Any], dict[str, Values]]] = {
    soil_pyg.load: ({}, {"folder": RUN}),
    soil_pyg.load_data_folder: ({}, {"path": SOURCE}),
    soil_pyg.recommend: (
        {"trained": "RUN", "users": ["u1"]},
        {
            "trained": RUN,
            "users": IDS | {"None": None},
            "k": COUNT,
            "exclude_seen": CHOICE,
            "allow": IDS,
            "deny": {kind: value for kind, value in IDS.items() if kind != "no ids"},
            "data": DATA,
            "memory_budget": COUNT,
            "index": SWITCH,
        },
    ),
    soil_pyg.recommend_blocks: (
        {"trained": "RUN", "users": ["u1"]},
        {"trained": RUN, "users": {"a text": "ann"}, "k": {"zero": 0}, "exclude_seen": CHOICE}
        | {"allow": IDS, "deny": {"a number": 5}, "data": {"other data": "OTHER"}}
        | {"memory_budget": {"zero": 0}, "index": SWITCH},
    ),
    soil_pyg.similar: (
        {"trained": "RUN", "items": ["v1"]},
        {
            "trained": RUN,
            "items": IDS,
            "users": IDS,
            "k": COUNT,
            "by": CHOICE,
            "data": DATA,
            "memory_budget": COUNT,
        },
    ),
    similar_blocks: (
        {"trained": "RUN", "items": ["v1"]},
        {"trained": {"None": None}, "items": {"a text": "tea"}, "users": {"no ids": []}}
        | {"k": {"zero": 0}, "by": CHOICE, "data": {"a number": 5}, "memory_budget": {"zero": 0}},
    ),
    soil_pyg.explain: (
        {"trained": "RUN", "user": "u1", "item": "v1"},
        {"trained": RUN, "user": ID, "item": ID, "data": DATA},
    ),
    soil_pyg.evaluate: (
        {"trained": "RUN"},
        {
            "trained": RUN,
            "splits": {
                "an unknown split": ["nothing"],
                "the train split": ["train"],
                "an unknown text": "both",
                "no splits": [],
                "a number": 5,
                "None": None,
                "None among the splits": [None],
            },
            "ks": {
                "a text": "5",
                "a number": 5,
                "no lengths": [],
                "zero": [0],
                "a negative number": [-1],
                "a fraction": [1.5],
                "a text among the lengths": ["5"],
                "a huge number": [10**20],
                "NaN": [NAN],
                "true": [True],
                "None among the lengths": [None],
            },
            "per_user": SWITCH,
            "data": DATA,
            "memory_budget": COUNT,
        },
    ),
    soil_pyg.compare: (
        {},
        {
            "runs": {
                "no runs": [],
                "a text": "RUN",
                "None": None,
                "a number": 5,
                "a missing folder": ["missing"],
                "None among the runs": ["RUN", None],
                "data in place of a run": ["DATA"],
                "an unfinished run": ["UNFINISHED"],
                "bytes": [b"RUN"],
            }
        },
    ),
    soil_pyg.report: (
        {"run_or_folder": "RUN", "out": "page.html"},
        {
            "run_or_folder": RUN,
            "out": {**PATH, "a folder in place of a file": "root", "a wrong extension": "page.pdf"},
            "data": DATA,
            "num_users": {kind: value for kind, value in COUNT.items() if kind != "zero"},
            "users": IDS | {"all": "all"},
        },
    ),
    soil_pyg.add_items: (
        {"trained": "RUN", "data": None, "features": NEW_ITEM, "ids": ["n0"]},
        {"trained": RUN, "data": DATA, "features": FEATURES, "ids": NEW_IDS},
    ),
    soil_pyg.add_users: (
        {"trained": "RUN", "data": None, "interactions": FEW},
        {
            "trained": RUN,
            "data": DATA,
            "interactions": TABLE
            | {"a known user": pd.DataFrame({"user": ["u1"], "item": ["v1"]})}
            | {"an unknown item": pd.DataFrame({"user": ["zoe"], "item": ["rum"]})},
            "user_column": COLUMN,
            "item_column": COLUMN,
        },
    ),
    soil_pyg.prepare: (
        {"interactions": "p.csv", "out": "NEW"},
        {
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
            "item_ids": {"a missing file": "missing.txt", "a number": 5},
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
        },
    ),
    soil_pyg.train: (
        {"data": "DATA", "out": "NEW", "model": "bpr", "epochs": 1, "progress": False},
        {
            "data": SOURCE,
            "out": FOLDER,
            "model": NAME | {"None": None, "an unknown name": "nothing"},
            "profile": CHOICE,
            "seed": {**INTEGER, "None": None},
            "init": {kind: value for kind, value in RUN.items() if value is not None},
            "device": CHOICE | {"None": None},
            "tensorboard": SWITCH,
            "overwrite": SWITCH,
            "progress": SWITCH,
            "epochs": COUNT,
            "lr": {**NUMBER, "zero": 0},
            "ks": {"a text": "5", "no lengths": [], "zero": [0], "a number": 5},
            "metric": CHOICE,
            "nothing": {"an unknown option": 3},
        },
    ),
    export_mmrec: ({"data": "DATA", "out": "NEW"}, {"data": SOURCE, "out": FOLDER}),
    export_hetero_data: (
        {"data": "DATA", "out": "NEW.pt"},
        {"data": SOURCE, "out": {**PATH, "a wrong extension": "new.csv", "a folder": "missing/a.pt"}},
    ),
    export_embeddings: (
        {"trained": "RUN", "out": "NEW"},
        {"trained": RUN, "out": FOLDER, "file_format": CHOICE | {"None": None}},
    ),
}
"""Right arguments of each function, and wrong values of each."""

WITH: dict[tuple[str, str], dict[str, Any]] = {
    ("similar", "users"): {"items": None},
    ("similar", "data"): {"by": "visual"},
    ("similar_blocks", "users"): {"items": None},
    ("similar_blocks", "data"): {"by": "visual"},
    ("prepare", "min_rating"): {"rating_column": "rating"},
    ("prepare", "rating_column"): {"min_rating": 3},
    ("prepare", "time_column"): {"split": "last"},
    ("prepare", "title_column"): {"items": "items.csv"},
    ("prepare", "image_column"): {"items": "items.csv"},
    ("prepare", "image_folder"): {"items": "items.csv"},
    ("prepare", "item_ids"): {"features": {"visual": "visual.npy"}},
}
"""Other arguments that a wrong argument requires."""


def function_cases() -> Iterator[Case]:
    """Yields the cases of all arguments."""
    for function, (right, arguments) in FUNCTIONS.items():
        for name, wrong in arguments.items():
            others = right | WITH.get((function.__name__, name), {})
            for kind, value in wrong.items():
                call = partial(_exhaust, function, others | {name: value})
                given = value if isinstance(value, list) else [value]
                paths = [str(v) for v in given if isinstance(v, str | Path) and v]
                names = (name, *paths, *(p.partition("/")[0] for p in paths))
                shown = f"{function.__name__}({name}={_short(value)})"
                yield Case(shown, kind, names, call=call)


def _exhaust(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    result = function(**arguments)
    if inspect.isgenerator(result) or isinstance(result, Iterator):
        for _ in result:
            pass


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
