"""The fitted exponents, the table and the picture of measurements against the number of items."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from soil_bench.runs.results import environment
from soil_pyg.utils.files import atomic_path

Result = dict[str, Any]
# The lines of the picture and the fits: name, measurement, quantity.
TIMES = [
    ("graphs", "graphs", "seconds"),
    ("epoch", "training", "epoch_seconds"),
    ("epoch on partitions", "sampled", "epoch_seconds"),
    ("naive graphs", "naive_graphs", "seconds"),
    ("naive epoch", "naive_training", "train"),
]
MEMORIES = [
    ("graphs", "graphs", "above_inputs_mb"),
    ("graphs, whole process", "graphs", "peak_rss_mb"),
    ("epoch", "training", "above_inputs_mb"),
    ("epoch, whole process", "training", "peak_rss_mb"),
    ("epoch on partitions", "sampled", "above_inputs_mb"),
    ("naive graphs", "naive_graphs", "above_inputs_mb"),
]


def fit_exponent(sizes: list[int], values: list[float]) -> float | None:
    r"""Returns the slope of the least-squares line through :math:`(\log n, \log v)`.

    Args:
        sizes (list[int]): The sizes :math:`n`.
        values (list[float]): The values :math:`v`; those that are not positive are left out.
    """
    points = [(n, v) for n, v in zip(sizes, values, strict=True) if v > 0]
    if len({n for n, _ in points}) < 2:
        return None
    x, y = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(x, y, deg=1)[0])


def series(results: list[Result], measurement: str, quantity: str) -> list[tuple[int, float, bool]]:
    """Returns number of items, value and whether it is extrapolated, of all sizes that have it.

    Args:
        results (list[dict[str, Any]]): The measurements of each size.
        measurement (str): The name of a measurement.
        quantity (str): The name of one of its values.
    """
    return [
        (
            result["items"],
            result[measurement][quantity],
            quantity == "epoch_seconds" and result[measurement]["extrapolated"],
        )
        for result in results
        if measurement in result
    ]


def exponents(results: list[Result]) -> dict[str, dict[str, float | None]]:
    """Returns the exponents of time and of memory by the names of what was measured.

    Args:
        results (list[dict[str, Any]]): The measurements of each size.
    """
    found: dict[str, dict[str, float | None]] = {}
    for kind, lines in {"time": TIMES, "memory": MEMORIES}.items():
        found[kind] = {}
        for name, measurement, quantity in lines:
            points = series(results, measurement, quantity)
            exponent = fit_exponent([p[0] for p in points], [p[1] for p in points])
            if exponent is not None:
                found[kind][name] = exponent
    return found


def table(report: Result) -> Table:
    """Returns a table with a row a size, and the exponents below.

    Args:
        report (dict[str, Any]): The results.
    """
    channels = " + ".join(str(size) for size in report["channels"].values())
    kinds = report["exponents"].items()
    fitted = "\n".join(
        f"Exponent of {kind} in the number of items: "
        + ", ".join(f"{name} {exponent:.2f}" for name, exponent in lines.items())
        for kind, lines in kinds
        if lines
    )
    out = Table(
        title=f"SOIL against the number of items, features of {channels} dimensions",
        caption=f"{fitted}\n~ extrapolated from a part of the epoch. MiB: above the inputs / of "
        f"the whole process. {'; '.join(environment([report]))}",
        caption_justify="left",
    )
    for name in ["items", "interactions", "graphs, s", "MiB", "step, s", "epoch, s", "MiB"]:
        out.add_column(name, justify="right")
    for name in ["on parts, s", "MiB", "search", "naive graphs, s", "MiB", "epoch, s"]:
        out.add_column(name, justify="right")
    for result in report["sizes"]:
        out.add_row(*row(result))
    return out


def row(result: Result) -> list[str]:
    """Returns the cells of one size.

    Args:
        result (dict[str, Any]): The measurements of the size.
    """
    graphs, training, sampled, naive, naive_epoch = (
        result.get(name)
        for name in ("graphs", "training", "sampled", "naive_graphs", "naive_training")
    )
    interactions = f"{graphs['size']['interactions']:,}" if graphs else "-"
    step = f"{np.median(training['steps']):.3g}" if training else "-"
    return [
        f"{result['items']:,}",
        interactions,
        number(graphs, "seconds"),
        memory(graphs),
        step,
        epoch(training),
        memory(training),
        epoch(sampled),
        memory(sampled),
        search(graphs),
        number(naive, "seconds"),
        memory(naive),
        number(naive_epoch, "train"),
    ]


def number(found: Result | None, quantity: str) -> str:
    """Returns a value as text, a dash if it was not measured."""
    return "-" if found is None else f"{found[quantity]:.4g}"


def epoch(found: Result | None) -> str:
    """Returns the seconds of an epoch as text, with a mark if they are extrapolated."""
    mark = "~" if found is not None and found["extrapolated"] else ""
    return mark + number(found, "epoch_seconds")


def memory(found: Result | None) -> str:
    """Returns the memory above the inputs and of the process as text, or a dash."""
    if found is None:
        return "-"
    return f"{found['above_inputs_mb']:,.0f} / {found['peak_rss_mb']:,.0f}"


def search(graphs: Result | None) -> str:
    """Returns the indexes of a size and their least recall, or a dash."""
    found = list(graphs["search"].values()) if graphs else []
    if not found:
        return "-"
    names = ", ".join(sorted({str(value.get("index", value)) for value in found}))
    recalls = [value["recall"] for value in found if value.get("recall") is not None]
    return f"{names}, recall {min(recalls):.3f}" if recalls else names


def searches(results: list[Result]) -> list[str]:
    """Returns how the neighbours of each graph of each size were searched, in words.

    Args:
        results (list[dict[str, Any]]): The measurements of each size.
    """
    return [
        f"{result['items']:,} items, {name}: "
        + ", ".join(f"{key} {value}" for key, value in found.items())
        for result in results
        for name, found in result.get("graphs", {"search": {}})["search"].items()
    ]


def draw_picture(report: Result, path: Path) -> None:
    """Draws time and memory against the number of items; extrapolated points are hollow.

    Args:
        report (dict[str, Any]): The results.
        path (Path): The file, written beside its place and then renamed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    kinds = [("time", "seconds", TIMES), ("memory", "peak memory, MiB", MEMORIES)]
    for axes, (kind, label, lines) in zip(figure.subplots(1, 2), kinds, strict=True):
        for name, measurement, quantity in lines:
            points = series(report["sizes"], measurement, quantity)
            if not points:
                continue
            exponent = report["exponents"][kind].get(name)
            legend = name if exponent is None else f"{name}: exponent {exponent:.2f}"
            x, y = [p[0] for p in points], [p[1] for p in points]
            (line,) = axes.plot(x, y, marker="o", label=legend)
            hollow = [p[:2] for p in points if p[2]]
            if hollow:
                axes.plot(
                    *zip(*hollow, strict=True), "o", color=line.get_color(), mfc="white", zorder=3
                )
        axes.set(xscale="log", yscale="log", xlabel="items", ylabel=label)
        axes.grid(True, which="major", alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    figure.suptitle("SOIL against the number of items; hollow: extrapolated to an epoch")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
