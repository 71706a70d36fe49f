"""The flags of the command soil-pyg and the wrong values of each: one line per value."""

from collections.abc import Mapping

import values
from harness import WRONG

Values = Mapping[str, str]

DENY_FILE = {
    kind: file
    for kind, file in values.ID_FILE.items()
    if kind != "an empty file" and not kind.startswith("an unknown id")
}
"""Items that the run lacks may be sold out."""

COMMANDS = {
    "prepare": "prepare p.csv --out NEW",
    "encode": "encode items.csv --like TEXT_DATA --embed text=title:tfidf --out NEW",
    "train": "train DATA --model bpr --epochs 1 --out NEW",
    "recommend": "recommend RUN --users u1",
    "similar": "similar RUN --items v1",
    "explain": "explain RUN --user u1 --item v1",
    "evaluate": "evaluate RUN",
    "compare": "compare RUN",
    "report": "report RUN --out page.html",
    "serve": "serve RUN --port 0",
    "export": "export DATA --to mmrec --out NEW",
}
"""A right command line of each command."""

FLAGS: dict[str, dict[str, Values]] = {
    "prepare": {
        "--out": values.NEW_FOLDER,
        "--user-column": {"a missing column": "buyer", "an empty value": ""},
        "--item-column": {
            "a missing column": "thing",
            "an empty value": "",
            "the column of users": "user",
        },
        "--min-rating 3 --rating-column": {"a missing column": "stars", "an empty value": ""},
        "--rating-column rating --min-rating": values.FLOAT,
        "--k-core": {**values.COUNT, "a number that leaves nothing": "1000"},
        "--split": values.CHOICE,
        "--split last --time-column": {"a missing column": "date", "an empty value": ""},
        "--split-column": {"a missing column": "part", "an empty value": ""},
        "--seed": values.SEED,
        "--name": {"an empty value": ""},
        "--like": values.DATA,
        "--like DATA --seed": {"another seed than that of the data": "7"},
        "--like DATA --split": {"another kind than that of the data": "time"},
        "--like DATA --split-column": {"a column beside known data": "split"},
        "--like DATA --time-column": {"a time of a random split": "time"},
        "--title-column": {"a column of no table": "title"},
        "--image-column": {"a column of no table": "image"},
        "--features": {
            "no name": "visual.npy",
            "no file": "visual=",
            "an empty value": "",
            "a missing file": "visual=missing.npy",
            "a folder in place of a file": "visual=root",
            "a wrong extension": "visual=notes.txt",
            "a picture": "visual=pictures/v0.png",
            "no ids for a matrix": "visual=visual.npy",
        },
        "--items items.csv --embed": {
            "no name": "title",
            "no source": "text=",
            "an empty value": "",
            "a missing column": "text=name",
            "an unknown modality": "smell=title",
            "a missing folder": "image=missing",
        },
        "--items items.csv --embed text=title:tfidf --embed-cache": {
            "a file in place of a folder": "p.csv",
            "an empty value": "",
        },
        "--items": values.TABLE,
        "--features visual=visual.npy --item-ids": {
            **values.TABLE,
            "the wrong number of ids": "users.txt",
        },
        "--items items.csv --title-column": {"a missing column": "name", "an empty value": ""},
        "--items items.csv --image-column": {"a missing column": "photo", "an empty value": ""},
        "--items items.csv --image-folder": {
            "a missing folder": "missing",
            "a file in place of a folder": "p.csv",
            "an empty value": "",
        },
    },
    "encode": {
        "--out": values.NEW_FOLDER,
        "--like": {**values.DATA, "data that was not encoded": "DATA"},
        "--embed": {
            "no name": "title",
            "no source": "text=",
            "an empty value": "",
            "a missing column": "text=name:tfidf",
            "another column": "text=item:tfidf",
            "another encoder": f"text:image={WRONG}:colour-histogram",
            "an unknown modality": "smell=title",
            "a modality that the data lacks": "name:text=title:tfidf",
            "a missing folder": "image=missing",
        },
        "--embed-cache": {"a file in place of a folder": "p.csv", "an empty value": ""},
        "--image-folder": {
            "a missing folder": "missing",
            "a file in place of a folder": "p.csv",
            "an empty value": "",
        },
    },
    "train": {
        "--out": values.NEW_FOLDER,
        "--model": {
            "an unknown name": "nothing",
            "an empty value": "",
            "a number": "3",
            "a missing module": "missing_module:Model",
            "a missing class": "soil_pyg.models:Missing",
            "a class that is no model": "soil_pyg.training:Trainer",
            "a function": "soil_pyg.workflow.train:train",
            "no class": "soil_pyg.models:",
            "two names": "soil,bpr",
            "an abstract class": "soil_pyg.models:Recommender",
        },
        "--profile": values.CHOICE,
        "--seed": values.SEED,
        "--final": values.RUN,
        "--init": {**values.RUN, "a run of another model": "RUN"},
        "--config": {
            "a missing file": "missing.yaml",
            "a folder in place of a file": "DATA",
            "a table": "p.csv",
            "aliases of aliases": str(WRONG / "aliases.yaml"),
            "a name twice": str(WRONG / "twice.yaml"),
            "an octal number": str(WRONG / "octal.yaml"),
            "an alias of itself": str(WRONG / "itself.yaml"),
            "an empty value": "",
        },
        "--device": values.CHOICE,
        "--devices": values.COUNT,
        "--num-nodes": values.COUNT,
        "--strategy": values.CHOICE,
        "--engine": values.CHOICE,
        "--format": values.CHOICE,
    },
    "recommend": {
        "--users": values.IDS,
        "--users-file": values.ID_FILE,
        "--k": values.COUNT,
        "--exclude-seen": values.CHOICE,
        "--engine": values.CHOICE,
        "--allow": values.IDS,
        "--allow-file": values.ID_FILE,
        "--deny": values.IDS,
        "--deny-file": DENY_FILE,
        "--data": values.DATA | {"other data": "OTHER"},
        "--memory-budget": values.COUNT,
        "--format": values.CHOICE,
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
        "--new-items": {
            "no name": "new_visual.parquet",
            "no file": "visual=",
            "an empty value": "",
            "a missing file": "visual=missing.parquet",
            "a folder in place of a file": "visual=root",
            "a wrong extension": "visual=notes.txt",
            "an unknown modality": "smell=new_visual.parquet",
            "known items": "visual=visual.parquet",
            "the columns of another modality": "visual=new_text.parquet",
        },
        "--new-users": {**values.TABLE, "known users": "p.csv", "no such columns": "items.csv"},
    },
    "similar": {
        "--items": values.IDS,
        "--items-file": values.ID_FILE,
        "--users": values.IDS,
        "--users-file": values.ID_FILE,
        "--k": values.COUNT,
        "--by": values.CHOICE,
        "--by visual --data": values.DATA | {"other data": "OTHER"},
        "--memory-budget": values.COUNT,
        "--format": values.CHOICE,
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
        "--new-items": {
            "no name": "new_visual.parquet",
            "a missing file": "visual=missing.parquet",
            "an unknown modality": "smell=new_visual.parquet",
        },
        "--new-users": {**values.TABLE, "known users": "p.csv", "no such columns": "items.csv"},
    },
    "explain": {
        "--user": values.IDS,
        "--item": values.IDS,
        "--by": values.CHOICE,
        "--data": values.DATA | {"other data": "OTHER"},
        "--format": values.CHOICE,
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
    },
    "evaluate": {
        "--split": values.CHOICE,
        "--metrics": {"an unknown metric": "accuracy", "no categories": "diversity"},
        "--by": values.CHOICE,
        "--ks": {
            # A list is taken apart.
            **{
                name: value
                for name, value in values.COUNT.items()
                if name not in ("a list", "a decimal comma")
            },
            **{"numbers with commas": "5,x", "a huge number": str(10**20)},
        },
        "--data": values.DATA | {"other data": "OTHER"},
        "--memory-budget": values.COUNT,
        "--format": values.CHOICE,
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
    },
    "compare": {
        "--bibtex": values.NEW_FILE,
        "--format": values.CHOICE,
        "--format latex --metrics": {"a metric without a length": "recall", "an empty value": ""},
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
    },
    "report": {
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
        "--data": values.DATA | {"other data": "OTHER"},
        "--users": values.IDS | {"all": "all"},
        "--users-file": values.ID_FILE,
        "--num-users": values.COUNT_OR_ZERO,
    },
    "serve": {
        "--data": values.DATA | {"other data": "OTHER"},
        "--host": {"an unknown name": "no-such-host.invalid", "an empty value": ""},
        "--port": {**values.COUNT_OR_ZERO, "a number that is no port": "65536"},
        "--workers": {**values.COUNT, "a huge number": str(10**20)},
        "--root-path": {"no slash before it": "shop", "a slash after it": "/shop/"},
        "--poll-seconds": values.RATE,
        "--allow-file": values.ID_FILE,
        "--deny-file": DENY_FILE,
        "--max-k": values.COUNT,
        "--max-ids": values.COUNT,
        "--max-body": values.COUNT,
    },
    "export": {
        "--to": values.CHOICE,
        "--out": values.NEW_FOLDER,
    },
}
"""The wrong values of each flag. Words before the flag are given with it."""

SWITCHES = {
    "prepare": ("--overwrite", "--keep-items"),
    "train": ("--shard-tables", "--tensorboard", "--overwrite", "--print-config"),
    "recommend": ("--index",),
    "evaluate": ("--per-user",),
    "serve": ("--exact", "--no-graphs"),
}
"""Flags without a value."""

SOURCES = {
    "encode": values.TABLE,
    "prepare": {**values.TABLE, "a folder without interactions": "empty", "a run": "RUN"},
    "train": values.DATA,
    "recommend": values.RUN,
    "similar": values.RUN,
    "explain": values.RUN,
    "evaluate": values.RUN,
    "compare": values.RUN,
    "report": values.RUN,
    "serve": values.RUN,
    "export": {name: value for name, value in values.DATA.items() if value != "RUN"},
}
"""The wrong values of the first argument."""

MODULES = {
    "a missing module": "missing_module",
    "a missing part": "soil_pyg.missing",
    "an empty value": "",
    "a class": "soil_pyg.models:BPR",
    "a relative name": ".models",
    "a file": "p.csv",
}
"""The wrong values of the flag that names a module."""

REPEATABLE = ("--features", "--embed", "--new-items")
"""Flags that may be given several times."""
