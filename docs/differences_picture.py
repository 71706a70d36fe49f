"""Draws ``docs/differences.svg``, the effect of each difference between the paper and the released
code of SOIL, from the records of ``benchmarks/run.py fidelity``:
``python docs/differences_picture.py``.
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soil_pyg.runs.compatibility import RENAMED_SETTINGS

DOCS = Path(__file__).parent
RECORDS = DOCS.parent / "benchmarks" / "records"
METRIC = "recall@20"
DATASETS = ("tiktok", "synthetic")


def differences(dataset: str, start: str) -> dict[str, tuple[float, float]]:
    """Returns the difference of a metric and its standard error by option.

    Args:
        dataset (str): The data set of the record.
        start (str): The profile of which one option at a time is changed.
    """
    record = json.loads((RECORDS / f"fidelity-{dataset}.json").read_text("utf-8"))
    rows = [row for row in record["rows"] if row["start"] == start and row["differences"]]
    found = {row["option"]: row["differences"][METRIC] for row in rows}
    return {
        RENAMED_SETTINGS.get(name, name): (x["difference"], x["standard_error"])
        for name, x in found.items()
    }


def draw(axes: Axes, dataset: str) -> None:
    """Draws the options of both profiles on a data set.

    Args:
        axes (matplotlib.axes.Axes): The axes.
        dataset (str): The data set.
    """
    for start, shift, colour in (("released", 0.15, "#1f6feb"), ("paper", -0.15, "#bc4c00")):
        found = differences(dataset, start)
        rows = [row + shift for row in range(len(found))]
        values, errors = zip(*found.values(), strict=True)
        label = f"one option of '{start}' changed"
        axes.errorbar(values, rows, xerr=errors, fmt="o", color=colour, label=label, capsize=3)
        axes.set_yticks(range(len(found)), list(found))
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_title(dataset)
    axes.set_xlabel(f"change of test {METRIC}, ± standard error")


def main(path: Path = DOCS / "differences.svg") -> None:
    """Draws both data sets.

    Args:
        path (pathlib.Path, optional): The file. (default: :obj:`docs/differences.svg`)
    """
    # The same file from the same records.
    mpl.rcParams.update({"svg.hashsalt": "soil_pyg", "svg.fonttype": "none", "font.size": 9})
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    for axes, dataset in zip(
        figure.subplots(1, 2, sharey=True), ("tiktok", "synthetic"), strict=True
    ):
        draw(axes, dataset)
    figure.axes[0].legend(loc="lower left")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
