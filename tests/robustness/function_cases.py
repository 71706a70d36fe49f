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
from python_values import (
    CHOICE,
    COLUMN,
    COUNT,
    DATA,
    FEATURES,
    FOLDER,
    ID,
    IDS,
    NAN,
    NEW_IDS,
    PATH,
    RUN,
    SOURCE,
    SWITCH,
    TABLE,
    Values,
)
from soil_pyg.encoders import TfidfEncoder
from soil_pyg.workflow.export import export_embeddings, export_hetero_data, export_mmrec
from soil_pyg.workflow.similar import similar_blocks
from writer_arguments import PREPARE, TRAIN

NEW_ITEM = {"visual": np.ones((1, 6)), "text": np.ones((1, 5))}
FEW = pd.DataFrame({"user": ["zoe"], "item": ["v1"]})

FUNCTIONS: dict[Callable[..., Any], tuple[dict[str, Any], Mapping[str, Values]]] = {
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
            "engine": CHOICE,
        },
    ),
    soil_pyg.recommend_blocks: (
        {"trained": "RUN", "users": ["u1"]},
        {"trained": RUN, "users": {"a text": "ann"}, "k": {"zero": 0}, "exclude_seen": CHOICE}
        | {"allow": IDS, "deny": {"a number": 5}, "data": {"other data": "OTHER"}}
        | {"memory_budget": {"zero": 0}, "index": SWITCH, "engine": CHOICE},
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
            "metrics": {
                "an unknown metric": ["accuracy"],
                "a text": "recall",
                "no metrics": [],
                "a repeated metric": ["recall", "recall"],
                "no categories": ["diversity"],
            },
            "by": CHOICE,
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
    soil_pyg.encode: (
        {"items": "items.csv", "features": {"text": TfidfEncoder("title")}, "like": "TEXT_DATA"},
        {
            "items": TABLE,
            "features": {
                "no modality": {},
                "a list": ["text"],
                "None": None,
                "a file": {"text": "text.parquet"},
                "another column": {"text": TfidfEncoder("item")},
                "other channels": {"text": TfidfEncoder("title", channels=2)},
                "an unknown modality": {"smell": TfidfEncoder("title")},
                "a number as modality": {5: TfidfEncoder("title")},
            },
            "like": DATA,
            "item_column": COLUMN,
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
        PREPARE,
    ),
    soil_pyg.train: (
        {"data": "DATA", "out": "NEW", "model": "bpr", "epochs": 1, "progress": False},
        TRAIN,
    ),
    export_mmrec: ({"data": "DATA", "out": "NEW"}, {"data": SOURCE, "out": FOLDER}),
    export_hetero_data: (
        {"data": "DATA", "out": "NEW.pt"},
        {
            "data": SOURCE,
            "out": {**PATH, "a wrong extension": "new.csv", "a folder": "missing/a.pt"},
        },
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
