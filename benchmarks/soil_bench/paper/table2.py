"""Table 2: all models on a data set, and significance tests of SOIL against the best others."""

from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser, Namespace

from soil_bench.paper.report import table2_report
from soil_bench.runs.arguments import add_models, names_of
from soil_bench.runs.experiment import (
    Experiment,
    Variant,
    csv_columns,
    describe,
    metrics_of,
    write_csv,
    write_record,
)
from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.results import CHOICE, METRICS, Record
from soil_bench.runs.run_job import load_users
from soil_bench.runs.significance import compare
from soil_bench.runs.tables import print_report
from soil_pyg.configs import available_configs, load_config
from soil_pyg.typing import modalities_of
from soil_pyg.workflow.options import ModelOptions

MODELS = "bpr,lightgcn,vbpr,lattice,slmrec,bm3,freedom,mgcn,lgmrec,soil"
OURS = "soil"


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this table."""
    add_models(parser, MODELS)


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs the models, prints the table, and writes it as CSV and as a record."""
    variants, left_out = select(experiment, arguments.models, arguments.profile)
    runs = experiment.run(variants)
    rows = [row_of(variant, group) for variant, group in zip(variants, runs, strict=True)]
    record = describe(experiment, [run for group in runs for run in group])
    record |= {"models": arguments.models, "profile": arguments.profile}
    record |= {"rows": rows, "left_out": left_out}
    record |= significance(experiment, variants, rows)
    dataset = experiment.plan.dataset
    table = [
        {"model": row["model"], "profile": row["profile"], "seeds": experiment.num_seeds}
        | csv_columns(row["test"], row["published"])
        for row in rows
    ]
    write_csv(pd.DataFrame(table), folder / f"table2-{dataset}.csv")
    if record["comparisons"]:
        comparisons = pd.DataFrame(record["comparisons"])
        write_csv(comparisons, folder / f"table2-{dataset}-significance.csv")
    write_record(experiment, "table2", record)
    print_report(table2_report(record), experiment.console)


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
    """Returns the best other model by its val metric, the improvement of SOIL, and tests over users
    against that model and, if it differs, the best other model by its test metric.
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
    closest = max(others, key=lambda place: fmean(rows[place]["test"][CHOICE]))
    compared = list(dict.fromkeys((ours[0], best, closest)))
    jobs = {rows[place]["model"]: experiment.jobs(variants[place]) for place in compared}
    for model, group in jobs.items():
        if not all(job.users_file.is_file() for job in group):
            found["missing"].append(model)
    if not found["missing"]:
        for model in [rows[place]["model"] for place in compared[1:]]:
            for metric in PAIRED:
                first, second = (per_user(jobs[name], metric) for name in (OURS, model))
                result = asdict(compare(first, second))
                found["comparisons"].append({"other": model, "metric": metric} | result)
    return found


def per_user(jobs: list[Job], metric: str) -> np.ndarray:
    """Returns a test metric of every user, the mean over seeds."""
    values: list[Any] = []
    for job in jobs:
        values.append(load_users(job.users_file)[metric].astype(np.float64))
    return np.asarray(np.mean(values, axis=0))
