"""Figure 4: SOIL by the weights of its losses and by the sizes of its graphs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeFloat, PositiveInt

from soil_bench.paper.pictures import TWO_COLUMNS, VERMILION, picture
from soil_bench.paper.runs import best_by_val, grid_points, heading, sweep, text_of
from soil_bench.runs.arguments import add_profile, require
from soil_bench.runs.experiment import Experiment, write_csv
from soil_bench.runs.results import CHOICE
from soil_bench.runs.tables import Report, print_report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WEIGHTS = [0.001, 0.01, 0.1, 1.0]
SIZES = [5, 10, 15, 20]
GRIDS = [("l_ui", "l_ii"), ("k", "k_i")]
"""The rows and the columns of each heat map."""
LABELS = {
    "l_ui": "weight of user-item contrast, $l_{ui}$",
    "l_ii": "weight of item-item contrast, $l_{ii}$",
    "k": "similar items per item, $k$",
    "k_i": "items of interest per user, $k_i$",
}
NOTE = "outlined: best by the val metric; no setting is ever chosen by a test metric"


@dataclass(frozen=True)
class HeatMap:
    """The metric at each point of a grid of two options.

    Args:
        options (tuple[str, str]): The options of the rows and of the columns.
        rows (list[Any]): The values of the first option.
        columns (list[Any]): The values of the second option.
        mean (numpy.ndarray): The means over seeds.
        std (numpy.ndarray): The standard deviations, NaN for a single seed.
        best (tuple[int, int]): The row and the column of the best mean val metric.
    """

    options: tuple[str, str]
    rows: list[Any]
    columns: list[Any]
    mean: np.ndarray
    std: np.ndarray
    best: tuple[int, int]


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this figure."""
    add_profile(parser)
    weights, sizes = {"type": NonNegativeFloat, "nargs": "+"}, {"type": PositiveInt, "nargs": "+"}
    parser.add_argument("--l_ui", **weights, default=WEIGHTS, help="weights of Eq. 15")
    parser.add_argument("--l_ii", **weights, default=WEIGHTS, help="weights of Eq. 16")
    parser.add_argument("--k", **sizes, default=SIZES, help="similar items per item (Eq. 9)")
    parser.add_argument("--k_i", **sizes, default=SIZES, help="items of interest per user (Eq. 6)")


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL at each point of both grids, and writes the table and the heat maps."""
    require("matplotlib", "the figure")
    grids = [grid_points({name: arguments[name] for name in names}) for names in GRIDS]
    table = sweep(experiment, arguments.profile, [point for grid in grids for point in grid])
    parts = [" x ".join(names) for names in GRIDS]
    table.insert(0, "heat map", np.repeat(parts, [len(grid) for grid in grids]))
    path = folder / f"figure4-{experiment.plan.dataset}"
    write_csv(table, path.with_name(f"{path.name}.csv"))
    maps = [
        heat_map(table[table["heat map"] == part], *names)
        for part, names in zip(parts, GRIDS, strict=True)
    ]
    subject = heading(experiment, arguments.profile)
    columns = max(len(heat.columns) for heat in maps)
    rows = max(len(heat.rows) for heat in maps)
    width = max(TWO_COLUMNS, 2 * (0.55 * columns + 1.2))
    with picture(path, height=1.0 + 0.48 * rows, width=width) as figure:
        draw_heat_maps(figure, f"{subject}\n{NOTE}", maps)
    for heat in maps:
        print_report(report(heat, subject), experiment.console)


def heat_map(grid: pd.DataFrame, row: str, column: str) -> HeatMap:
    """Returns the heat map of two options."""
    mean = grid.pivot(index=row, columns=column, values=CHOICE)
    std = grid.pivot(index=row, columns=column, values=f"{CHOICE} std")
    rows, columns = mean.index.tolist(), mean.columns.tolist()
    best = grid.iloc[best_by_val(grid, CHOICE)]
    place = (rows.index(best[row]), columns.index(best[column]))
    return HeatMap((row, column), rows, columns, mean.to_numpy(), std.to_numpy(), place)


def report(heat: HeatMap, subject: str) -> Report:
    """Returns a heat map as a table.

    Args:
        heat (HeatMap): The heat map.
        subject (str): The text of :func:`~soil_bench.paper.runs.heading`.
    """
    row, column = heat.options
    cells = [
        [f"{value:g}", *map(text_of, mean, std)]
        for value, mean, std in zip(heat.rows, heat.mean, heat.std, strict=True)
    ]
    best = f"{row} {heat.rows[heat.best[0]]:g}, {column} {heat.columns[heat.best[1]]:g}"
    title = f"Test {CHOICE} by {row} (rows) and {column}"
    names = [row, *(f"{column} {value:g}" for value in heat.columns)]
    return Report(title, names, cells, [subject, f"Best by the val metric: {best}"])


def draw_heat_maps(figure: "Figure", title: str, maps: list[HeatMap]) -> None:
    """Draws heat maps side by side."""
    figure.suptitle(title)
    for axes, heat in zip(figure.subplots(1, len(maps)), maps, strict=True):
        _draw_heat_map(axes, heat)


def _draw_heat_map(axes: "Axes", heat: HeatMap) -> None:
    from matplotlib.patches import Rectangle

    image = axes.imshow(heat.mean, cmap="cividis", origin="lower", aspect="auto")
    bar = axes.figure.colorbar(image, ax=axes, label="test Recall@20", pad=0.03, aspect=25)
    bar.outline.set_visible(False)
    for place in np.ndindex(heat.mean.shape):
        red, green, blue, _ = image.cmap(image.norm(heat.mean[place]))
        is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            place[1],
            place[0],
            text_of(float(heat.mean[place]), float(heat.std[place]), sign="\n±"),
            color="white" if is_dark else "black",
            ha="center",
            va="center",
        )
    row, column = heat.best
    axes.add_patch(
        Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=VERMILION, lw=2)
    )
    axes.set_xticks(range(len(heat.columns)), [f"{value:g}" for value in heat.columns])
    axes.set_yticks(range(len(heat.rows)), [f"{value:g}" for value in heat.rows])
    axes.set(xlabel=LABELS[heat.options[1]], ylabel=LABELS[heat.options[0]])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
