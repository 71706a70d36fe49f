"""Runs of SOIL for the figures of the paper, and their metrics, models and graphs."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from torch_geometric.data import HeteroData

from soil_bench.runs.experiment import Experiment, Variant, over_seeds
from soil_bench.runs.results import METRICS, Record
from soil_pyg import load
from soil_pyg.configs import load_config
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.options import ModelOptions

MODEL = "soil"


def grid_points(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Returns the distinct combinations of the values of options, in ascending order."""
    values = [sorted(set(choices)) for choices in grid.values()]
    return [dict(zip(grid, point, strict=True)) for point in product(*values)]


def sweep(experiment: Experiment, profile: str, points: list[dict[str, Any]]) -> pd.DataFrame:
    """Runs SOIL with each set of options and returns one row of options and metrics per set.

    Published values stand in the row of the options with which they were published.

    Raises:
        ValueError: If an option is invalid.
        FailedRunsError: If a run fails.
    """
    dataset = experiment.plan.dataset
    usual = experiment.settings(Variant(MODEL, MODEL, profile))
    varied = list(dict.fromkeys(name for point in points for name in point))
    variants = [Variant(str(point), MODEL, profile, point) for point in points]
    rows = []
    for point, runs in zip(points, experiment.run(variants), strict=True):
        options = usual | point
        published = load_config(MODEL).published.get(dataset, {}) if options == usual else {}
        row = {name: options[name] for name in varied} | {"profile": profile, "seeds": len(runs)}
        rows.append(row | metric_columns(runs, published))
    return pd.DataFrame(rows)


def metric_columns(runs: list[Record], published: dict[str, float]) -> dict[str, float]:
    """Returns mean and standard deviation of each val and test metric, by column."""
    columns: dict[str, float] = {}
    for name in METRICS:
        for split, column in {"val": f"val {name}", "test": name}.items():
            mean, std = over_seeds([run[split][name] for run in runs])
            columns |= {column: mean, f"{column} std": std}
        columns[f"{name} published"] = published.get(name, np.nan)
    return columns


def text_of(mean: float, std: float, form: str = ".4f", sign: str = " ± ") -> str:
    """Returns mean ± standard deviation as text, or the mean of a single seed."""
    return f"{mean:{form}}" if np.isnan(std) else f"{mean:{form}}{sign}{std:{form}}"


def best_by_val(table: pd.DataFrame, metric: str) -> int:
    """Returns the row with the best val metric, the first of equal ones."""
    return int(table[f"val {metric}"].to_numpy().argmax())


def heading(experiment: Experiment, profile: str) -> str:
    """Returns the model, the data and the number of runs as text."""
    seeds = experiment.num_seeds
    number = "one seed" if seeds == 1 else f"mean ± standard deviation of {seeds} seeds"
    epochs = "" if experiment.epochs is None else f", at most {experiment.epochs} epochs per run"
    return f"SOIL ({profile} profile) on {experiment.plan.dataset}, {number}{epochs}"


def load_models(experiment: Experiment, variant: Variant) -> list[TrainedModel]:
    """Returns the trained model of each seed.

    Raises:
        ValueError: If the folder of a run is missing or was changed.
    """
    models = []
    for job in experiment.jobs(variant):
        try:
            models.append(load(job.folder))
        except FileNotFoundError as error:
            raise ValueError(
                f"the figure requires the weights of a finished run, but {error}: remove the line "
                f"of seed {job.record['seed']} from {job.results_file} to train it again"
            ) from error
    return models


def add_graphs(experiment: Experiment, variant: Variant) -> HeteroData:
    """Returns the data with the graphs that the variant reads."""
    selected, settings = ModelOptions(variant.model), experiment.settings(variant)
    transform = selected.model_class.graph_transform(**selected.values_for("graphs", settings))
    return transform(experiment.data.to(experiment.plan.device))
