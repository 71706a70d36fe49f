"""What the figures of the paper share: runs of SOIL, their metrics, models and graphs."""

from itertools import product
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser
from torch_geometric.data import HeteroData

from soil_bench.runs.experiment import Experiment, Record, Variant
from soil_bench.runs.results import METRICS
from soil_pyg import load
from soil_pyg.configs import load_config
from soil_pyg.models import SOIL
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.options import ModelOptions

MODEL = "soil"


def add_profile(parser: ArgumentParser) -> None:
    """Adds the argument :obj:`--profile`.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.add_argument(
        "--profile", choices=list(SOIL.profiles), default="released", help="the profile of SOIL"
    )


def grid_points(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Returns all combinations of values of options, ascending, each once.

    Args:
        grid (dict[str, list[Any]]): The values of each option.
    """
    values = [sorted(set(choices)) for choices in grid.values()]
    return [dict(zip(grid, point, strict=True)) for point in product(*values)]


def sweep(experiment: Experiment, profile: str, points: list[dict[str, Any]]) -> pd.DataFrame:
    """Runs SOIL with each set of options and returns the options and the metrics, a row each.

    The published values stand beside the options with which they were published.

    Args:
        experiment (Experiment): The experiment.
        profile (str): The profile of SOIL.
        points (list[dict[str, Any]]): The options of each variant.

    Raises:
        ValueError: If an option cannot be right.
        FailedRunsError: If a run fails.
    """
    dataset = experiment.plan.dataset
    usual = ModelOptions(MODEL).settings(dataset, profile, {})
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
    """Returns mean and standard deviation of each metric, of validation and of test, by column.

    Args:
        runs (list[dict[str, Any]]): The runs, one a seed.
        published (dict[str, float]): The published test metrics, as far as there are any.
    """
    columns: dict[str, float] = {}
    for name in METRICS:
        for split, column in {"val": f"val {name}", "test": name}.items():
            mean, std = over_seeds([run[split][name] for run in runs])
            columns |= {column: mean, f"{column} std": std}
        columns[f"{name} published"] = published.get(name, np.nan)
    return columns


def over_seeds(values: list[float]) -> tuple[float, float]:
    """Returns the mean and the sample standard deviation, which of one value is not a number.

    Args:
        values (list[float]): The values, one a seed.
    """
    return fmean(values), float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def text_of(mean: float, std: float, form: str = ".4f", sign: str = " ± ") -> str:
    """Returns mean ± standard deviation as text, of one seed the mean.

    Args:
        mean (float): The mean.
        std (float): The standard deviation, of one seed not a number.
        form (str, optional): The format of both. (default: :obj:`".4f"`)
        sign (str, optional): What stands between the two. (default: :obj:`" ± "`)
    """
    return f"{mean:{form}}" if np.isnan(std) else f"{mean:{form}}{sign}{std:{form}}"


def best_on_validation(table: pd.DataFrame, metric: str) -> int:
    """Returns the row that a choice by validation would take, the first of equal ones.

    Args:
        table (pandas.DataFrame): The rows of a sweep.
        metric (str): The name of the metric.
    """
    return int(table[f"val {metric}"].to_numpy().argmax())


def heading(experiment: Experiment, profile: str) -> str:
    """Returns what was run, in words.

    Args:
        experiment (Experiment): The experiment.
        profile (str): The profile of SOIL.
    """
    seeds = experiment.num_seeds
    number = "one seed" if seeds == 1 else f"mean ± standard deviation of {seeds} seeds"
    epochs = "" if experiment.epochs is None else f", at most {experiment.epochs} epochs"
    return f"SOIL ({profile} profile) on {experiment.plan.dataset}, {number}{epochs}"


def load_models(experiment: Experiment, variant: Variant) -> list[TrainedModel]:
    """Returns the trained model of each seed.

    Args:
        experiment (Experiment): The experiment, whose runs are finished.
        variant (Variant): The variant.

    Raises:
        ValueError: If the folder of a run is gone or was changed.
    """
    models = []
    for job in experiment.jobs(variant):
        try:
            models.append(load(job.folder))
        except FileNotFoundError as error:
            raise ValueError(
                f"the figure needs the weights of a finished run, but {error}: remove the line "
                f"of seed {job.record['seed']} from {job.results_file} to train it again"
            ) from error
    return models


def add_graphs(experiment: Experiment, variant: Variant) -> HeteroData:
    """Returns the data with the graphs that the variant reads.

    Args:
        experiment (Experiment): The experiment.
        variant (Variant): The variant.
    """
    selected = ModelOptions(variant.model)
    settings = experiment.jobs(variant)[0].record["settings"]
    transform = selected.model_class.graph_transform(**selected.values_for("graphs", settings))
    return transform(experiment.data.to(experiment.plan.device))
