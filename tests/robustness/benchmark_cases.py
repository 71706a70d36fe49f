"""Wrong inputs of the benchmark: one line per flag of a command."""

from collections.abc import Iterator, Mapping

import values
from command_cases import flag_cases
from harness import WRONG, Case
from soil_pyg.workflow.options import ModelOptions

DATA = "--dataset tiny --root root --device cpu --out RES --epochs 1 --seeds 1"
COMMANDS = {
    "": f"run.py --models bpr {DATA}",
    "tune": f"run.py tune --models bpr --trials 1 {DATA}",
    "paper table1": f"run.py paper table1 {DATA}",
    "paper table2": f"run.py paper table2 --models bpr {DATA}",
    "paper table3": f"run.py paper table3 {DATA}",
    "paper figure4": f"run.py paper figure4 {DATA}",
    "paper figure5": f"run.py paper figure5 {DATA}",
    "paper figure6": f"run.py paper figure6 {DATA}",
    "paper figure7": f"run.py paper figure7 {DATA}",
    "fidelity": f"run.py fidelity {DATA}",
    "newcomers": f"run.py newcomers --models soil {DATA}",
    "missing": f"run.py missing --models soil {DATA}",
    "verify": "run.py verify --models bpr --dataset tiny --root root --out RES --evidence RES.json",
    "graphs": "run.py graphs --out RES --repeat 1 --steps 1",
    "busy": "run.py busy --out RES --epochs 1 --repeat 1",
    "limit": "run.py limit --out RES --items 20",
    "scale": "run.py scale --out RES --items 10 --steps 1",
    "pipeline": "run.py pipeline --out RES --users 20 --pairs 80 --part-users 5 --recommended 5",
    "ray": "run.py ray --out RES --users 20 --items 10 --workers 1",
    "estimate": "run.py estimate --out RES --sample-items 20 --part-users 5",
    "serve": "run.py serve --dataset tiny --root root --out RES",
    "libraries": "run.py libraries --out RES --quick",
    "systems": "run.py systems --dataset tiny --root root --out RES --systems soil_pyg --epochs 1",
}
"""A right command line of each command."""

MODELS_OF_DEFAULT = ("soil", "lightgcn", "bpr")
DATASET = {"an unknown name": "nothing", "a path to a missing folder": "root/missing"}
ROOT = {"a missing folder": "missing", "a file in place of a folder": "p.csv"}
OUT = {name: value for name, value in values.NEW_FOLDER.items() if value != "root"}
MODELS = {
    "an unknown name": "nothing",
    "an empty value": "",
    "one twice": "bpr,bpr",
    "an empty name": "bpr,",
    "a missing module": "missing_module:Model",
    "a class that is no model": "soil_pyg.training:Trainer",
    "spaces alone": " ",
}
PROFILE = values.CHOICE
NO_RUNS = {"--dataset": DATASET, "--root": ROOT}
RUNS: dict[str, Mapping[str, str]] = {
    **NO_RUNS,
    "--seeds": values.COUNT,
    "--epochs": values.COUNT,
    "--device": values.CHOICE,
    "--out": OUT,
    "--workers": values.COUNT,
    "--executor": values.CHOICE,
    "--slurm": {"a word": "much", "parameters without the executor": '{"time": 5}'},
}
SIZE = {kind: value for kind, value in values.SIZE.items() if "memory" not in kind}
SPEED: dict[str, Mapping[str, str]] = {
    "--channels": {
        "a word": "many",
        "nothing": "{}",
        "a size of zero": '{"image": 0}',
        "a negative size": '{"image": -1}',
        "a fraction": '{"image": 1.5}',
        "a list": "[1]",
        "half an object": '{"image": ',
        "more than memory holds": '{"image": 2147483647}',
    },
    "--steps": SIZE,
    "--batch-size": SIZE,
    "--device": values.CHOICE,
    "--out": OUT,
}

FLAGS: dict[str, dict[str, Mapping[str, str]]] = {
    "": {**RUNS, "--models": MODELS, "--profile": PROFILE},
    "tune": {
        **RUNS,
        "--models": MODELS,
        "--profile": PROFILE,
        "--search": {"a word": "much", "a list": "[1]", "an empty value": ""},
        "--search.lr": {"no number": "fast", "a negative number": "-1", "nothing": "[]"},
        "--search.nothing": {"an unknown option": "1"},
        "--trials": values.COUNT,
        "--trial-seeds": values.COUNT,
        "--sampler-seed": values.COUNT_OR_ZERO,
    },
    "paper table1": RUNS,
    "paper table2": {
        **RUNS,
        "--models": MODELS,
        "--profile": PROFILE,
        "--format": values.CHOICE,
    },
    "paper table3": {**RUNS, "--profile": PROFILE},
    "paper figure4": {
        **RUNS,
        "--profile": PROFILE,
        "--l_ui": values.WEIGHT,
        "--l_ii": values.WEIGHT,
        "--k": values.COUNT,
        "--k_i": values.COUNT,
    },
    "paper figure5": {**RUNS, "--profile": PROFILE, "--k_a": values.COUNT},
    "paper figure6": {
        **RUNS,
        "--profile": PROFILE,
        "--users": {"an unknown id": "nobody"},
        "--items": values.COUNT,
    },
    "paper figure7": {**RUNS, "--profile": PROFILE, "--bins": values.COUNT},
    "fidelity": RUNS,
    "newcomers": {
        **RUNS,
        "--models": MODELS,
        "--profile": PROFILE,
        "--share": {**values.FLOAT, **values.INNER_SHARE},
        "--histories": values.COUNT,
        "--k": values.COUNT,
    },
    "missing": {
        **RUNS,
        "--models": {**MODELS, "a model without features": "bpr"},
        "--profile": PROFILE,
        "--rates": {**values.FLOAT, **values.INNER_SHARE},
        "--mask": {"a missing file": "missing.json", "no JSON": "p.csv", "an empty value": ""},
    },
    "verify": {
        **NO_RUNS,
        "--models": MODELS,
        "--results": {"a missing file": "missing.jsonl", "a folder": "root", "no records": "p.csv"},
        "--seed": values.COUNT_OR_ZERO,
        "--out": OUT,
        "--evidence": {"a folder in place of a file": "root", "a damaged file": "p.csv"},
    },
    "graphs": {**SPEED, "--root": {"an empty value": ""}, "--repeat": values.COUNT},
    "scale": {
        **SPEED,
        "--items": values.SIZE,
        "--features": values.CHOICE,
        "--root": {"an empty value": ""},
        "--whole-up-to": values.COUNT_OR_ZERO,
        "--part-users": values.COUNT,
        "--parts": values.COUNT,
        "--naive-up-to": values.COUNT_OR_ZERO,
    },
    "pipeline": {
        **{name: SPEED[name] for name in ("--channels", "--out")},
        "--users": values.SIZE,
        "--items": values.SIZE,
        "--pairs": {**SIZE, "fewer than four per user": "79"},
        "--steps": {**values.COUNT, "an odd number": "3"},
        "--part-users": {**values.COUNT, "more than there are": "21"},
        "--recommended": {**values.COUNT, "more than there are": "21"},
    },
    "ray": {
        "--out": OUT,
        "--users": values.SIZE,
        "--items": values.SIZE,
        "--channels": values.SIZE,
        "--k": values.COUNT,
        "--memory-budget": values.COUNT,
        "--workers": values.COUNT,
    },
    "limit": {
        "--items": values.SIZE,
        "--channels": SPEED["--channels"],
        "--out": OUT,
    },
    "busy": {
        "--epochs": values.COUNT,
        "--repeat": values.COUNT,
        "--limit": values.COUNT,
        "--out": OUT,
    },
    "estimate": {
        **{name: SPEED[name] for name in ("--channels", "--out")},
        "--users": {**values.FLOAT, **values.POSITIVE},
        "--items": {**values.FLOAT, **values.POSITIVE},
        "--pairs": {**values.FLOAT, **values.POSITIVE, "fewer than four per user": "79"},
        "--machines": values.COUNT,
        "--cores": values.COUNT,
        "--gbit": values.COUNT,
        "--sample-items": values.SIZE,
        "--part-users": values.COUNT,
    },
    "serve": {
        **NO_RUNS,
        "--epochs": values.COUNT,
        "--workers": values.COUNT,
        "--connections": values.COUNT,
        "--seconds": values.COUNT,
        "--malformed": values.COUNT,
        "--out": OUT,
    },
    "libraries": {
        "--device": values.CHOICE,
        "--rounds": values.COUNT,
        "--seed": values.COUNT_OR_ZERO,
        "--only": values.CHOICE,
        "--environments": OUT,
        "--out": OUT,
    },
    "systems": {
        **NO_RUNS,
        "--models": {name: value for name, value in MODELS.items() if ":" not in value},
        "--systems": {"an unknown name": "nothing", "an empty value": "", "an empty name": "PyG,"},
        "--epochs": values.COUNT,
        "--seed": values.COUNT_OR_ZERO,
        "--limit": values.COUNT,
        "--environments": OUT,
        "--out": OUT,
    },
}
"""The wrong values of each flag."""

SWITCHES = {
    "": ("--rerun",),
    "graphs": ("--rerun", "--naive"),
    "busy": ("--rerun",),
    "limit": ("--rerun",),
    "scale": ("--rerun",),
    "pipeline": ("--rerun",),
    "ray": ("--rerun",),
    "estimate": ("--rerun",),
    "libraries": ("--rerun", "--quick", "--install"),
    "systems": ("--rerun", "--install"),
}

SHARED = {*RUNS, *SPEED, "--models", "--profile"} - {"--channels"}
"""Flags that several commands take from one function: each kind is tried with one command."""

OTHERS = {
    "run.py nothing": ("a command that does not exist", "nothing"),
    "run.py paper": ("no name", "NAME"),
    "run.py paper table9": ("an unknown name", "table9"),
    "run.py paper --out RES": ("a flag in place of the name", "NAME"),
    "page.py": ("no file", "results"),
    "page.py missing.jsonl": ("a missing file", "missing.jsonl"),
    "page.py root": ("a folder in place of a file", "root"),
    "page.py p.csv": ("a table in place of records", "p.csv"),
    "page.py visual.npy": ("a binary file", "visual.npy"),
    f"page.py {WRONG}/bad.jsonl": ("a damaged line", f"{WRONG}/bad.jsonl"),
    f"page.py {WRONG}/other.jsonl": ("another object", f"{WRONG}/other.jsonl"),
    f"page.py {WRONG}/none.jsonl": ("no finished runs", "results"),
    f"page.py {WRONG}/none.jsonl --out missing/page.md": ("a missing folder", "--out"),
    f"page.py {WRONG}/none.jsonl --out root": ("a folder in place of a file", "--out"),
    f"page.py {WRONG}/none.jsonl --out=": ("an empty value", "--out"),
    f"page.py {WRONG}/none.jsonl --out p.csv/page.md": ("a folder below a file", "--out"),
    f"page.py {WRONG}/none.jsonl --out": ("a missing value", "--out"),
    f"page.py {WRONG}/none.jsonl --out a.md --out b.md": ("a flag twice", "--out"),
    f"page.py {WRONG}/none.jsonl --nonsense": ("an unknown flag", "--nonsense"),
    "page.py ''": ("an empty value", "results"),
    "run.py --models bpr --bpr.ks [5] " + DATA: ("lists that the tables do not show", "ks"),
    "run.py --models bpr --soil.k 5 " + DATA: ("a flag of another model", "--soil.k"),
    "run.py --models bpr --bpr.nothing 5 " + DATA: ("an unknown option", "--bpr.nothing"),
    "run.py --models bpr --bpr.lr -1 " + DATA: ("a negative number", "lr"),
    "run.py --models bpr --bpr.lr nan " + DATA: ("NaN", "--bpr.lr"),
    "run.py --models bpr --bpr.num_partitions 999 " + DATA: ("too many parts", "num_partitions"),
    "run.py --models soil --soil.modalities [smell] " + DATA: ("an unknown modality", "modalities"),
    "run.py --models soil --soil.index HNSW0 " + DATA: ("an unknown index", "index"),
    "run.py --models bpr,soil --soil.k 0 " + DATA: ("zero for the second model", "k"),
}
"""Other command lines, with the kind of fault and the name in the message."""


def benchmark_cases() -> Iterator[Case]:
    """Yields the cases of all flags of the benchmark."""
    seen: set[tuple[str, str]] = set()
    for command, flags in FLAGS.items():
        line = COMMANDS[command]
        for flag, wrong in flags.items():
            if flag in SHARED:
                first = next(iter(wrong))
                wrong = {k: v for k, v in wrong.items() if k == first or (flag, k) not in seen}
                seen |= {(flag, kind) for kind in wrong}
            yield from flag_cases(line, flag, wrong)
        for flag in SWITCHES.get(command, ()):
            yield Case(f"{line} {flag}=3", "a switch with a value", (flag,))
            yield Case(f"{line} {flag} {flag}", "a flag twice", (flag,))
        yield Case(f"{line} --nonsense 3", "an unknown flag", ("--nonsense",))
        yield Case(f"{line} more", "one argument too many", ("more",))
    yield from option_cases()
    for line, (kind, name) in OTHERS.items():
        yield Case(line, kind, (name, name.upper()), _write_records)


def option_cases() -> Iterator[Case]:
    """Yields a case per option of the models that the benchmark runs by default."""
    for model in MODELS_OF_DEFAULT:
        line = f"run.py --models {model} {DATA.replace('--epochs 1 ', '')}"
        for name, option in ModelOptions(model).options.items():
            flag = f"--{model}.{name}"
            kind = "an unknown choice" if isinstance(option.default, str) else "a word"
            # Whether FAISS knows a name is found out by a run.
            value = "HNSW0" if name == "index" else "nothing"
            yield Case(f"{line} {flag}={value}", f"{kind} for an option", (flag,))


def _write_records() -> None:
    contents = {"bad.jsonl": '{"key": ', "other.jsonl": '{"key": 3}\n[1]\n', "none.jsonl": ""}
    for name, text in contents.items():
        (WRONG / name).write_text(text)
