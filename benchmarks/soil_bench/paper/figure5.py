"""Figure 5: SOIL with other numbers of second-order items."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.paper.pictures import BLUE, ORANGE, VERMILION, picture, require_matplotlib
from soil_bench.paper.runs import (
    add_profile,
    best_on_validation,
    grid_points,
    heading,
    sweep,
    text_of,
)
from soil_bench.runs.experiment import Experiment, write_csv
from soil_bench.runs.tables import Report, print_report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = {"recall@20": "Recall@20", "ndcg@20": "NDCG@20"}
NOTE = "no setting is ever chosen by a test metric"


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this figure.

    Args:
        parser (ArgumentParser): The parser.
    """
    add_profile(parser)
    parser.add_argument(
        "--k_a",
        type=PositiveInt,
        nargs="+",
        default=list(range(1, 11)),
        help="numbers of second-order items of a user (Eq. 2)",
    )


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL with each number, and writes the table and the curves.

    Args:
        experiment (Experiment): The experiment.
        arguments (Namespace): The arguments.
        folder (Path): The folder of the files.

    Raises:
        ValueError: If a setting cannot be right, or matplotlib is not installed.
        FailedRunsError: If a run fails.
    """
    require_matplotlib()
    points = grid_points({"k_a": arguments["k_a"]})
    table = sweep(experiment, arguments.profile, points)
    path = folder / f"figure5-{experiment.plan.dataset}"
    write_csv(table, path.with_name(f"{path.name}.csv"))
    what = heading(experiment, arguments.profile)
    with picture(path, height=2.6) as figure:
        draw_curves(figure, f"{what}\n{NOTE}", table)
    print_report(report(table, what), experiment.console)


def report(table: pd.DataFrame, what: str) -> Report:
    """Returns the curves as a table.

    Args:
        table (pandas.DataFrame): The metrics of each number.
        what (str): What was run.
    """
    columns = ["k_a", *(f"{split} {name}" for name in CURVES for split in ("validation", "test"))]
    names = [column for name in CURVES for column in (f"val {name}", name)]
    rows = [
        [f"{row['k_a']}", *(text_of(row[name], row[f"{name} std"]) for name in names)]
        for row in table.to_dict("records")
    ]
    best = table["k_a"][best_on_validation(table, "recall@20")]
    notes = [what, f"Best Recall@20 on validation: k_a {best}"]
    return Report("By number of second-order items", columns, rows, notes)


def draw_curves(figure: "Figure", title: str, table: pd.DataFrame) -> None:
    """Draws a curve a metric, with a band of one standard deviation to each side.

    Args:
        figure (matplotlib.figure.Figure): The figure.
        title (str): The text above.
        table (pandas.DataFrame): The metrics of each number.
    """
    figure.suptitle(title)
    best = best_on_validation(table, "recall@20")
    for axes, metric in zip(figure.subplots(1, len(CURVES)), CURVES, strict=True):
        _draw_curve(axes, table, metric, best)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _draw_curve(axes: "Axes", table: pd.DataFrame, metric: str, best: int) -> None:
    k_a, mean, std = (table[name].to_numpy() for name in ("k_a", metric, f"{metric} std"))
    published = table[f"{metric} published"].to_numpy()
    axes.plot(k_a, mean, color=BLUE, marker="o", label="mean")
    if not pd.isna(std).all():
        low, high = mean - std, mean + std
        axes.fill_between(k_a, low, high, color=BLUE, alpha=0.2, lw=0, label="± standard deviation")
    circle = axes.scatter(k_a[best], mean[best], s=80, facecolor="none", edgecolor=VERMILION)
    circle.set_label("best Recall@20 on validation")
    if not pd.isna(published).all():
        axes.plot(k_a, published, "D", color=ORANGE, mec="black", mew=0.5, label="published")
    axes.set_xticks(k_a)
    axes.set(xlabel="second-order items of a user, $k_a$", ylabel=f"test {CURVES[metric]}")
