"""Figure 5: SOIL by the number of second-order items."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.paper.pictures import BLUE, ORANGE, VERMILION, picture
from soil_bench.paper.runs import best_by_val, grid_points, heading, sweep, text_of
from soil_bench.runs.arguments import add_profile, require
from soil_bench.runs.experiment import Experiment, write_csv
from soil_bench.runs.tables import Report, print_report
from soil_pyg.typing import HELD_OUT_SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = {"recall@20": "Recall@20", "ndcg@20": "NDCG@20"}
NOTE = "no setting is ever chosen by a test metric"


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this figure."""
    add_profile(parser)
    parser.add_argument(
        "--k_a",
        type=PositiveInt,
        nargs="+",
        default=list(range(1, 11)),
        help="numbers of second-order items per user (Eq. 2)",
    )


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL with each number, and writes the table and the curves."""
    require("matplotlib", "the figure")
    points = grid_points({"k_a": arguments["k_a"]})
    table = sweep(experiment, arguments.profile, points)
    path = folder / f"figure5-{experiment.plan.dataset}"
    write_csv(table, path.with_name(f"{path.name}.csv"))
    subject = heading(experiment, arguments.profile)
    with picture(path, height=2.6) as figure:
        draw_curves(figure, f"{subject}\n{NOTE}", table)
    print_report(report(table, subject), experiment.console)


def report(table: pd.DataFrame, subject: str) -> Report:
    """Returns the curves as a table.

    Args:
        table (pandas.DataFrame): The metrics by number of items.
        subject (str): The text of :func:`~soil_bench.paper.runs.heading`.
    """
    columns = ["k_a", *(f"{split} {name}" for name in CURVES for split in HELD_OUT_SPLITS)]
    names = [column for name in CURVES for column in (f"val {name}", name)]
    rows = [
        [f"{row['k_a']}", *(text_of(row[name], row[f"{name} std"]) for name in names)]
        for row in table.to_dict("records")
    ]
    best = table["k_a"][best_by_val(table, "recall@20")]
    notes = [subject, f"Best val Recall@20: k_a {best}"]
    return Report("By number of second-order items", columns, rows, notes)


def draw_curves(figure: "Figure", title: str, table: pd.DataFrame) -> None:
    """Draws one curve per metric, with a band of one standard deviation on each side."""
    figure.suptitle(title)
    best = best_by_val(table, "recall@20")
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
    circle.set_label("best val Recall@20")
    if not pd.isna(published).all():
        axes.plot(k_a, published, "D", color=ORANGE, mec="black", mew=0.5, label="published")
    axes.set_xticks(k_a)
    axes.set(xlabel="second-order items per user, $k_a$", ylabel=f"test {CURVES[metric]}")
