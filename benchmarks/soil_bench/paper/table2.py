"""Table 2: all models on a data set, and significance tests of SOIL against the others."""

from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser, Namespace

from soil_bench.paper.publication import SUFFIXES, Format, bibliography, csv_table, render
from soil_bench.paper.report import table2_report
from soil_bench.runs.arguments import add_models, names_of
from soil_bench.runs.experiment import (
    Experiment,
    Variant,
    describe,
    metrics_of,
    record_path,
    write_csv,
    write_record,
)
from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.results import CHOICE, METRICS, Record, read_records
from soil_bench.runs.run_job import load_users
from soil_bench.runs.selection import best_of, by_settings
from soil_bench.runs.significance import compare, holm
from soil_bench.runs.tables import print_report
from soil_pyg.configs import available_configs, load_config
from soil_pyg.typing import modalities_of
from soil_pyg.utils.files import write_text
from soil_pyg.utils.records import parse_json
from soil_pyg.workflow.options import ModelOptions

DEFAULT = "bpr,lightgcn,vbpr,lattice,slmrec,bm3,freedom,mgcn,lgmrec,soil"
OURS = "soil"
FINISHED = "finished"
SAME = ("num_partitions", "batches_per_step", "device", "epochs")
"""The options that do not follow the best finished runs; the number of epochs does unless given."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this table."""
    add_models(
        parser,
        FINISHED,
        "names, or package.module:Class, separated by commas; finished: the models that have runs "
        "on the data, or else those of the paper",
    )
    parser.add_argument(
        "--format",
        type=Format,
        default="table",
        help="what to print and to write for a paper, with a file of BibTeX entries",
    )


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs the models, prints the table, and writes it as CSV and as a record."""
    names = finished_models(experiment) if arguments.models == FINISHED else arguments.models
    variants, left_out = select(experiment, names, arguments.profile)
    finished = list(read_records(experiment.plan.results_file).values())
    variants = [with_best_settings(experiment, variant, finished) for variant in variants]
    runs = experiment.run(variants)
    rows = [row_of(variant, group) for variant, group in zip(variants, runs, strict=True)]
    record = describe(experiment, [run for group in runs for run in group])
    record |= {"models": names, "profile": arguments.profile}
    record |= {"rows": rows, "left_out": left_out}
    record |= significance(experiment, variants, rows)
    dataset = experiment.plan.dataset
    write_csv(csv_table(record), folder / f"table2-{dataset}.csv")
    if record["comparisons"]:
        comparisons = pd.DataFrame(record["comparisons"])
        write_csv(comparisons, folder / f"table2-{dataset}-significance.csv")
    write_record(experiment, "table2", record)
    if arguments.format == "table":
        print_report(table2_report(record), experiment.console)
        return
    text, stem = render(record, arguments.format), f"table2-{dataset}"
    if arguments.format != "csv":
        write_text(folder / f"{stem}.{SUFFIXES[arguments.format]}", text)
    write_text(folder / f"{stem}.bib", bibliography(record))
    experiment.console.print(text, markup=False, soft_wrap=True)


def finished_models(experiment: Experiment) -> str:
    """Returns the models of the package that have finished runs on the data, those without
    features first and ours last; those of the paper if there are none.
    """
    runs = read_records(experiment.plan.results_file).values()
    found = {run["model"] for run in runs if run["data_digest"] == experiment.data.digest}
    names = sorted(
        found & set(available_configs()),
        key=lambda name: (name == OURS, ModelOptions(name).model_class.multimodal, name),
    )
    return ",".join(names) or DEFAULT


def select(experiment: Experiment, models: str, profile: str) -> tuple[list[Variant], list[str]]:
    """Returns the models whose features the data has, and the names of the others.

    Raises:
        ValueError: If a model is unknown or occurs twice, or all models read features that the
            data lacks.
    """
    names = names_of(models)
    has_features = bool(modalities_of(experiment.data))
    chosen = [
        name for name in names if has_features or not ModelOptions(name).model_class.multimodal
    ]
    if not chosen:
        raise ValueError(f"'--models' must name a model without features (got '{models}')")
    return [Variant(name, name, profile) for name in chosen], [n for n in names if n not in chosen]


def with_best_settings(experiment: Experiment, variant: Variant, finished: list[Record]) -> Variant:
    """Returns a variant with the settings of its finished runs that are best by the val metric, as
    the table of the data set has them, or the variant itself if it has none.

    Runs on other partitions or with other numbers of batches per step than usual do not count.
    """
    usual = experiment.jobs(variant)[0].record
    kept = [name for name in SAME if name != "epochs" or experiment.epochs is not None]
    runs = [
        run
        for run in finished
        if all(run[name] == usual[name] for name in ("model", "profile", "data_digest"))
        and all(run["settings"][name] == usual["settings"][name] for name in kept)
    ]
    if not runs:
        return variant
    settings = best_of(by_settings(runs))[0]["settings"]
    changed = {
        name: settings[name]
        for name, value in usual["settings"].items()
        if settings.get(name, value) != (list(value) if isinstance(value, tuple) else value)
    }
    return replace(variant, options=variant.options | changed)


def row_of(variant: Variant, runs: list[Record]) -> Record:
    """Returns the row of a model."""
    name, dataset = variant.model, runs[0]["dataset"]
    published = load_config(name).published if name in available_configs() else {}
    return {
        "model": name,
        "profile": runs[0]["profile"],
        "val": [run["val"][CHOICE] for run in runs],
        "test": metrics_of(runs),
        "published": published.get(dataset, {}),
    }


def significance(experiment: Experiment, variants: list[Variant], rows: list[Record]) -> Record:
    """Returns the best other model by its val metric, the improvement of SOIL over it, and the
    tests of SOIL against every other model, over users and over seeds.
    """
    found: Record = {"best_other": None, "improvement": {}, "comparisons": [], "missing": []}
    others = [place for place, row in enumerate(rows) if row["model"] != OURS]
    ours = [place for place, row in enumerate(rows) if row["model"] == OURS]
    if not ours or not others:
        return found
    best = max(others, key=lambda place: fmean(rows[place]["val"]))
    found["best_other"] = rows[best]["model"]
    for metric in METRICS:
        mean, other = (fmean(rows[place]["test"][metric]) for place in (ours[0], best))
        found["improvement"][metric] = mean / other - 1 if other > 0 else None
    jobs = {row["model"]: experiment.jobs(v) for v, row in zip(variants, rows, strict=True)}
    lacking = {
        model for model, group in jobs.items() if not all(job.users_file.is_file() for job in group)
    }
    known = known_tests(record_path(experiment, "table2"), rows)
    users: list[Record] = []
    for model in jobs:
        if model == OURS:
            continue
        if not {model, OURS} & lacking:
            for metric in PAIRED:
                first, second = (per_user(jobs[name], metric) for name in (OURS, model))
                users.append({"other": model, "metric": metric} | asdict(compare(first, second)))
        elif model in known:
            users += known[model]
        else:
            found["missing"] += [name for name in (OURS, model) if name in lacking]
    found["missing"] = [model for model in jobs if model in found["missing"]]
    found["missing_options"] = {
        row["model"]: variant.options
        for variant, row in zip(variants, rows, strict=True)
        if row["model"] in found["missing"]
    }
    seeds: list[Record] = []
    if experiment.num_seeds > 1:
        for place in others:
            for metric in METRICS:
                pair = (np.array(rows[number]["test"][metric]) for number in (ours[0], place))
                name = {"other": rows[place]["model"], "metric": metric}
                seeds.append(name | asdict(compare(*pair)))
    found["comparisons"] = corrected("users", users) + corrected("seeds", seeds)
    return found


def known_tests(path: Path, rows: list[Record]) -> dict[str, list[Record]]:
    """Returns the tests over users of an earlier record by model, for models whose runs and those
    of SOIL have the metrics of that record.
    """
    try:
        earlier = parse_json(path.read_bytes())
        same = [row["model"] for row in rows if row in earlier["rows"]]
        found: dict[str, list[Record]] = {}
        for test in earlier["comparisons"]:
            if test["over"] == "users" and {OURS, test["other"]} <= set(same):
                found.setdefault(test["other"], []).append(test)
    except (OSError, ValueError, LookupError, TypeError):
        # There is none, or it is no such record and will be replaced.
        return {}
    return found


def corrected(over: str, tests: list[Record]) -> list[Record]:
    """Returns tests over users or seeds with their p-values corrected for the number of tests."""
    columns = {
        f"{name}_holm": holm([test[name] for test in tests]) for name in ("p_t_test", "p_wilcoxon")
    }
    return [
        {"over": over, **test, **{name: column[place] for name, column in columns.items()}}
        for place, test in enumerate(tests)
    ]


def per_user(jobs: list[Job], metric: str) -> np.ndarray:
    """Returns a test metric of every user, the mean over seeds."""
    values: list[Any] = []
    for job in jobs:
        values.append(load_users(job.users_file)[metric].astype(np.float64))
    return np.asarray(np.mean(values, axis=0))
