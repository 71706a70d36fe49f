"""Wrong inputs of the command soil-pyg: one line per flag, and one per other fault."""

from collections.abc import Iterator, Mapping
from shlex import quote

import values
from harness import Case

Values = Mapping[str, str]

COMMANDS = {
    "prepare": "prepare p.csv --out NEW",
    "train": "train DATA --model bpr --epochs 1 --out NEW",
    "recommend": "recommend RUN --users u1",
    "similar": "similar RUN --items v1",
    "explain": "explain RUN --user u1 --item v1",
    "evaluate": "evaluate RUN",
    "compare": "compare RUN BPR",
    "report": "report RUN --out page.html",
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
        "--init": {**values.RUN, "a run of another model": "RUN"},
        "--device": values.CHOICE,
        "--format": values.CHOICE,
    },
    "recommend": {
        "--users": values.IDS,
        "--users-file": values.ID_FILE,
        "--k": values.COUNT,
        "--exclude-seen": values.CHOICE,
        "--allow": values.IDS,
        "--allow-file": values.ID_FILE,
        "--deny": values.IDS,
        "--deny-file": {k: v for k, v in values.ID_FILE.items() if k != "an empty file"},
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
        "--ks": {**values.COUNT, "numbers with commas": "5,x", "a huge number": str(10**20)},
        "--data": values.DATA | {"other data": "OTHER"},
        "--memory-budget": values.COUNT,
        "--format": values.CHOICE,
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
    },
    "compare": {
        "--format": values.CHOICE,
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
    },
    "report": {
        "--out": values.NEW_FILE | {"an unknown extension": "new.xyz"},
        "--data": values.DATA | {"other data": "OTHER"},
        "--users": values.IDS | {"all": "all"},
        "--users-file": values.ID_FILE,
        "--num-users": values.COUNT_OR_ZERO,
    },
    "export": {
        "--to": values.CHOICE,
        "--out": values.NEW_FOLDER,
    },
}
"""The wrong values of each flag. Words before the flag are given with it."""

SWITCHES = {
    "prepare": ("--overwrite", "--keep-items"),
    "train": ("--tensorboard", "--overwrite"),
    "recommend": ("--index",),
    "evaluate": ("--per-user",),
}
"""Flags without a value."""

SOURCES = {
    "prepare": {**values.TABLE, "a folder without interactions": "empty", "a run": "RUN"},
    "train": values.DATA,
    "recommend": values.RUN,
    "similar": values.RUN,
    "explain": values.RUN,
    "evaluate": values.RUN,
    "compare": values.RUN,
    "report": values.RUN,
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


def command_cases() -> Iterator[Case]:
    """Yields the cases of all flags, of their absence and of their repetition."""
    for command, flags in FLAGS.items():
        for flag, wrong in flags.items():
            yield from flag_cases(f"soil-pyg {COMMANDS[command]}", flag, wrong)
        for flag in SWITCHES.get(command, ()):
            line = f"soil-pyg {COMMANDS[command]}"
            yield Case(f"{line} {flag}=3", "a switch with a value", (flag,))
            yield Case(f"{line} {flag} {flag}", "a flag twice", (flag,))
            yield Case(f"{line} {flag[:-1]}", "an abbreviated flag", (flag[:-1],))
        if command in ("recommend", "similar", "explain", "evaluate", "report", "export"):
            line = f"soil-pyg {COMMANDS[command]}"
            yield from flag_cases(line, "--model-module", MODULES)
        yield from source_cases(command)


def flag_cases(line: str, flag: str, wrong: Values) -> Iterator[Case]:
    """Yields the cases of one flag: of each wrong value, without a value, twice and abbreviated.

    Args:
        line: A right command line, from which the flag is removed.
        flag: The flag, after the words that it requires.
        wrong: The wrong values.
    """
    *before, name = flag.split(" ")
    line = " ".join([without(line, {name, *before, *OTHER_DOOR.get(name, ())}), *before])
    make = values.write_id_files
    for kind, value in wrong.items():
        yield Case(f"{line} {name}={quote(value)}", kind, _names(name, value), make)
        separate = f"{line} {name} {quote(value)}"
        if value == "":
            yield Case(separate, "an empty word", _names(name, value), make)
    yield Case(f"{line} {name}", "a missing value", (name, name.partition(".")[0]))
    first, *others = [*filter(None, wrong.values())] or ["some"]
    second = others[0] if others else "other"
    if name not in REPEATABLE:
        twice = f"{line} {name}={quote(first)} {name}={quote(second)}"
        yield Case(twice, "a flag twice", (name,), make)
    if len(name) > 6 and name not in ("--users-file", "--items-file"):
        yield Case(f"{line} {name[:-1]}={quote(first)}", "an abbreviated flag", (name[:-1],))


OTHER_DOOR = {
    "--users-file": ("--users", "--items"),
    "--items-file": ("--items",),
    "--users": ("--items",),
}
"""Flags that exclude each other."""


def without(line: str, flags: set[str]) -> str:
    """Returns a command line without some flags and their values.

    Example:
        >>> without("soil-pyg recommend RUN --users u1 --k 3", {"--users"})
        'soil-pyg recommend RUN --k 3'
    """
    kept, skip = [], False
    for word in line.split():
        skip = word in flags or (skip and not word.startswith("--"))
        if not skip:
            kept.append(word)
    return " ".join(kept)


def _names(flag: str, value: str) -> tuple[str, ...]:
    # A file is named by its path, an argument by its flag.
    path = value.partition("=")[2] or value
    if flag in ("--dataset", "--root"):
        return (flag, value)
    is_path = "." in path or path in ("missing", "root", "empty", "DATA", "OTHER", "RUN")
    return (flag, path, path.partition("/")[0]) if is_path else (flag,)


def source_cases(command: str) -> Iterator[Case]:
    """Yields the cases of the first argument, and of one too many and of none."""
    _, first, *rest = COMMANDS[command].split()
    for kind, value in SOURCES[command].items():
        names = (value,) if value else ("FILE", "DATA", "RUN", "RUNS", "FOLDER")
        line = " ".join(["soil-pyg", command, quote(value), *rest])
        yield Case(line, f"{kind} as the first argument", names, values.write_id_files)
    if command != "compare":
        line = f"soil-pyg {command} {' '.join(rest)}"
        yield Case(line, "no first argument", ("required",))
        line = f"soil-pyg {command} {first} more {' '.join(rest)}"
        yield Case(line, "one argument too many", ("more",))
    yield Case(f"soil-pyg {COMMANDS[command]} --nonsense 3", "an unknown flag", ("--nonsense",))
    yield Case(f"soil-pyg {COMMANDS[command]} -z", "an unknown letter", ("-z",))
    yield Case(f"soil-pyg {command}", "no arguments", ("required",))
