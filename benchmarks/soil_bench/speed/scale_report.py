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
    ("graphs", "graphs", "peak_rss_mb"),
    ("epoch", "training", "peak_rss_mb"),
    ("epoch on partitions", "sampled", "peak_rss_mb"),
    ("naive graphs", "naive_graphs", "peak_rss_mb"),
]
"""The same of each line in the picture of memory."""
GRAPHS = ["similar", "second_order", "item_item"]
"""The graphs whose recall is shown, by the end of the names of their edges: those of similar items,
of second-order items, and of items of interest, which are searched last.
"""
GRAPH_COLUMNS = [
    *["users", "items", "interactions", "features", "graphs, s", "MiB", "search"],
    *["recall: similar", "second-order", "interest"],
]
EPOCH_COLUMNS = [
    *["users", "items", "epoch, s", "MiB", "epoch on partitions, s", "MiB"],
    *["naive graphs, s", "MiB", "naive epoch, s", "MiB"],
]
LEGEND = (
    "MiB: peak of the whole process / above its inputs. ~: extrapolated from a few steps or "
    "partitions of the epoch. Both epochs are training alone. Recall: the lowest of all "
    "modalities, on a sample. -: not measured."
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
        results (list[dict[str, Any]]): The measurements; those of the first features count.
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
        if measurement in result and source_of(result) == source_of(results[0])
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


def scale_reports(record: Record) -> list[Report]:
    """Returns the table of the graphs of each size and features, and that of training.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py scale`.
    """
    title = f"SOIL, synthetic interactions, {features_text(record['channels'])}"
    fitted = [
        f"Exponent of {kind} in the number of items: "
        + "; ".join(f"{name} {exponent:.2f}" for name, exponent in lines.items())
        for kind, lines in record["exponents"].items()
        if lines
    ]
    indexes = [
        f"Search among {result['items']:,} items, {source_of(result)}: {found}"
        for result in record["sizes"]
        if (found := indexes_of(result.get("graphs")))
    ]
    graphs = [graph_row(result) for result in record["sizes"]]
    epochs = [epoch_row(result) for result in record["sizes"] if "training" in result]
    return [
        Report(title, GRAPH_COLUMNS, graphs, [LEGEND, *indexes]),
        Report("Training", EPOCH_COLUMNS, epochs, fitted),
    ]


def scale_lines(record: Record) -> list[str]:
    """Returns the section on graphs and training by the number of items.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py scale`.
    """
    graphs, epochs = scale_reports(record)
    lines = [f"{graphs.title}. {graphs.notes[0]}", "", *table(graphs.columns, graphs.rows)]
    lines += bullets(graphs.notes[1:])
    return [*lines, *table(epochs.columns, epochs.rows), *bullets(epochs.notes)]


def source_of(result: Record) -> str:
    """Returns the source of the features of a size."""
    return str(result.get("source", "styles"))


def graph_row(result: Record) -> list[str]:
    """Returns the cells of the graphs of one size."""
    graphs = result.get("graphs")
    return [
        f"{result['users']:,}",
        f"{result['items']:,}",
        f"{graphs['size']['interactions']:,}" if graphs else "-",
        source_of(result),
        short(graphs["seconds"]) if graphs else "-",
        memory(graphs),
        *search_cells(graphs),
    ]


def epoch_row(result: Record) -> list[str]:
    """Returns the cells of the training of one size."""
    training, sampled, naive, naive_epoch = (
        result.get(name) for name in ("training", "sampled", "naive_graphs", "naive_training")
    )
    return [
        f"{result['users']:,}",
        f"{result['items']:,}",
        epoch(training),
        memory(training),
        epoch(sampled),
        memory(sampled),
        short(naive["seconds"]) if naive else "-",
        memory(naive),
        short(naive_epoch["train"]) if naive_epoch else "-",
        memory(naive_epoch),
    ]


def epoch(found: Record | None) -> str:
    """Returns the seconds of an epoch, its number of partitions, and a mark if extrapolated."""
    if found is None:
        return "-"
    partitions = f" in {found['parts']:,} partitions" if "parts" in found else ""
    return ("~" if found["extrapolated"] else "") + short(found["epoch_seconds"]) + partitions


def memory(found: Record | None) -> str:
    """Returns the memory of the process and above the inputs as text, or a dash."""
    if found is None:
        return "-"
    return f"{found['peak_rss_mb']:,.0f} / {found['above_inputs_mb']:,.0f}"


def search_cells(graphs: Record | None) -> list[str]:
    """Returns the indexes of a size, and the lowest recall of each graph."""
    found = graphs["search"] if graphs else {}
    names = ", ".join(sorted({str(value["index"]) for value in found.values()}))
    cells = [names or "-"]
    for graph in GRAPHS:
        values = [value for name, value in found.items() if name.split("/")[1].endswith(graph)]
        recalls = [value.get("recall", 1.0) for value in values]
        cells.append(f"{min(recalls):.3f}" if recalls else "-")
    return cells


def indexes_of(graphs: Record | None) -> str:
    """Returns the index, its parameters and the recall of each graph searched approximately."""
    found = graphs["search"].items() if graphs else []
    return ", ".join(
        f"{name.split('/')[1]} {value['recall']:.3f} "
        f"({';'.join(filter(None, [value['index'], value.get('parameters')]))})"
        for name, value in found
        if value.get("recall") is not None and value["index"] != "Flat"
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
