"""The fitted exponents, the table and the picture of measurements by the number of items."""

from pathlib import Path

import numpy as np

from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, bullets, short, table
from soil_bench.speed.graphs_report import features_text
from soil_pyg.utils.files import atomic_path

TIMES = [
    ("graphs", "graphs", "seconds"),
    ("epoch", "training", "epoch_seconds"),
    ("epoch on partitions", "sampled", "epoch_seconds"),
    ("naive graphs", "naive_graphs", "seconds"),
    ("naive epoch", "naive_training", "train"),
]
"""The name, the measurement and the quantity of each line in the picture of time."""
MEMORIES = [
    *(
        (name + suffix, measurement, quantity)
        for name, measurement in [("graphs", "graphs"), ("epoch", "training")]
        for suffix, quantity in [("", "above_inputs_mb"), (", whole process", "peak_rss_mb")]
    ),
    ("epoch on partitions", "sampled", "above_inputs_mb"),
    ("naive graphs", "naive_graphs", "above_inputs_mb"),
]
"""The same of each line in the picture of memory."""
COLUMNS = [
    *["users", "items", "interactions", "graphs, s", "MiB", "search", "epoch, s", "MiB"],
    *["epoch on partitions, s", "MiB", "naive graphs, s", "MiB", "naive epoch, s"],
]
LEGEND = (
    "MiB: peak above the inputs / of the whole process. ~: extrapolated from a few steps or "
    "partitions of the epoch. Both epochs are training alone. -: not measured."
)


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


def series(results: list[Record], measurement: str, quantity: str) -> list[tuple[int, float, bool]]:
    """Returns the number of items, the value and whether it is extrapolated, by size.

    Args:
        results (list[dict[str, Any]]): The measurements of each size.
        measurement (str): The name of a measurement; sizes without it are left out.
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


def exponents(results: list[Record]) -> dict[str, dict[str, float]]:
    """Returns the exponents of time and of memory by the names of the lines."""
    found: dict[str, dict[str, float]] = {}
    for kind, lines in {"time": TIMES, "memory": MEMORIES}.items():
        found[kind] = {}
        for name, measurement, quantity in lines:
            points = series(results, measurement, quantity)
            exponent = fit_exponent([p[0] for p in points], [p[1] for p in points])
            if exponent is not None:
                found[kind][name] = exponent
    return found


def scale_report(record: Record) -> Report:
    """Returns a table with one row per size, and the exponents and recalls below.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py scale`.
    """
    fitted = [
        f"Exponent of {kind} in the number of items: "
        + "; ".join(f"{name} {exponent:.2f}" for name, exponent in lines.items())
        for kind, lines in record["exponents"].items()
        if lines
    ]
    recalls = [
        f"Recall of the search among {result['items']:,} items: {found}"
        for result in record["sizes"]
        if (found := recalls_of(result.get("graphs")))
    ]
    title = f"SOIL, synthetic data, {features_text(record['channels'])}"
    rows = [row(result) for result in record["sizes"]]
    return Report(title, COLUMNS, rows, [LEGEND, *fitted, *recalls])


def scale_lines(record: Record) -> list[str]:
    """Returns the section on graphs and training by the number of items.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py scale`.
    """
    report = scale_report(record)
    head = f"{report.title}. {report.notes[0]}"
    return [head, "", *table(report.columns, report.rows), *bullets(report.notes[1:])]


def row(result: Record) -> list[str]:
    """Returns the cells of one size."""
    graphs, training, sampled, naive, naive_epoch = (
        result.get(name)
        for name in ("graphs", "training", "sampled", "naive_graphs", "naive_training")
    )
    return [
        f"{result['users']:,}",
        f"{result['items']:,}",
        f"{graphs['size']['interactions']:,}" if graphs else "-",
        short(graphs["seconds"]) if graphs else "-",
        memory(graphs),
        search(graphs),
        epoch(training),
        memory(training),
        epoch(sampled),
        memory(sampled),
        short(naive["seconds"]) if naive else "-",
        memory(naive),
        short(naive_epoch["train"]) if naive_epoch else "-",
    ]


def epoch(found: Record | None) -> str:
    """Returns the seconds of an epoch, its number of partitions, and a mark if extrapolated."""
    if found is None:
        return "-"
    partitions = f" in {found['parts']:,} partitions" if "parts" in found else ""
    return ("~" if found["extrapolated"] else "") + short(found["epoch_seconds"]) + partitions


def memory(found: Record | None) -> str:
    """Returns the memory above the inputs and of the process as text, or a dash."""
    if found is None:
        return "-"
    return f"{found['above_inputs_mb']:,.0f} / {found['peak_rss_mb']:,.0f}"


def search(graphs: Record | None) -> str:
    """Returns the indexes of a size and their lowest recall, or a dash."""
    found = list(graphs["search"].values()) if graphs else []
    if not found:
        return "-"
    names = ", ".join(sorted({str(value.get("index", value)) for value in found}))
    recalls = [value["recall"] for value in found if value.get("recall") is not None]
    return f"{names}, recall {min(recalls):.3f}" if recalls else names


def recalls_of(graphs: Record | None) -> str:
    """Returns the recall of each graph that was searched approximately."""
    found = graphs["search"].items() if graphs else []
    return ", ".join(
        f"{name.split('/')[1]} {value['recall']:.3f} ({value['index']})"
        for name, value in found
        if value.get("recall") is not None
    )


def draw_picture(record: Record, path: Path) -> None:
    """Draws time and memory by the number of items, with hollow marks for extrapolated points.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py scale`.
        path (Path): The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    kinds = [("time", "seconds", TIMES), ("memory", "peak memory, MiB", MEMORIES)]
    for axes, (kind, label, lines) in zip(figure.subplots(1, 2), kinds, strict=True):
        for name, measurement, quantity in lines:
            points = series(record["sizes"], measurement, quantity)
            if not points:
                continue
            exponent = record["exponents"][kind].get(name)
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
    figure.suptitle("SOIL by the number of items; hollow: extrapolated to an epoch")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
