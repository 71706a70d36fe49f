"""The sections of the page on speed and memory, built from the records of the benchmarks."""

from collections.abc import Callable, Sequence
from functools import partial
from os.path import relpath
from pathlib import Path

from soil_bench.pages.records import read_as, written_by
from soil_bench.runs.results import Record
from soil_bench.runs.tables import bullets, short, table
from soil_bench.speed.graphs_report import notes, spread
from soil_bench.speed.libraries_tables import libraries_lines
from soil_bench.speed.scale_report import memory, search

SCALE_COLUMNS = [
    *["users", "items", "interactions", "graphs, s", "MiB", "search", "epoch, s", "MiB"],
    *["epoch on partitions, s", "MiB", "naive graphs, s", "MiB", "naive epoch, s"],
]


def speed_sections(folders: Sequence[Path], page_folder: Path) -> list[str]:
    """Returns a section for each benchmark whose record is in one of the folders.

    Args:
        folders (Sequence[Path]): The folders, which need not exist, with
            :obj:`"<benchmark>.json"` and the pictures; the first with a record counts.
        page_folder (Path): The folder of the page, which links to the pictures.

    Raises:
        ValueError: If a file is not the record of its benchmark.
    """
    found = []
    for name, (title, lines_of) in SECTIONS.items():
        command = name.replace("-cuda", " --device cuda")
        path = next((p for folder in folders if (p := folder / f"{name}.json").is_file()), None)
        if path is None:
            continue
        lines = read_as(path, command, partial(section, title, command, lines_of))
        picture = path.with_suffix(".png")
        if picture.is_file():
            link = Path(relpath(picture, page_folder)).as_posix()
            lines += [f"![{title}]({link})", ""]
        found.append("\n".join(lines))
    return found


def section(
    title: str, command: str, lines_of: Callable[[Record], list[str]], record: Record
) -> list[str]:
    """Returns the lines of the section of a record.

    Args:
        title (str): The title.
        command (str): The command that wrote the record, for one without its options.
        lines_of (callable): Returns the lines of the record.
        record (dict[str, Any]): The record.
    """
    if "options" in record:
        command = f"{command.partition(' ')[0]} {record['options']}".strip()
    return [f"## {title}", "", *lines_of(record), *written_by(command, "", record)]


def graphs_lines(record: Record) -> list[str]:
    """Returns the section on graphs, steps and epochs beside the naive implementation.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py graphs`.
    """
    sizes = [f"{record['data']['data']} data"]
    if record["fast"]["graphs"]:
        size = record["fast"]["graphs"][0]["size"]
        sizes += [f"{count:,} {name}" for name, count in size.items()]
    rows = []
    for row in record["rows"]:
        name = row["name"].strip()
        # Indented quantities belong to the one above.
        label = name if row["name"] == name else f"&emsp;{name}"
        ours, naive = (spread(row["values"][side]) for side in ("fast", "naive"))
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:,.1f}"
        met = {True: "yes", False: "no", None: ""}[row.get("met")]
        rows.append([label, ours, naive, ratio, row.get("target", ""), met])
    return [
        f"SOIL, {', '.join(sizes)}, {features(record['data']['channels'])}: ours beside the naive "
        "implementation of the definitions in `naive.py`. Median (smallest to largest). Ratio: "
        "naive to ours; for the roofline: our step to it. Evaluation: ours of one split, as in "
        "training; the naive one of two.",
        "",
        *table(["", "ours", "naive", "ratio", "target", "met"], rows),
        *bullets(notes(record)),
    ]


def scale_lines(record: Record) -> list[str]:
    """Returns the section on graphs and training by the number of items.

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
    return [
        f"SOIL, synthetic data, {features(record['channels'])}. MiB: peak above the inputs / of "
        "the whole process. Extrapolated: from a few steps or partitions of the epoch. Both epochs "
        "are training alone. -: not measured.",
        "",
        *table(SCALE_COLUMNS, [scale_row(result) for result in record["sizes"]]),
        *bullets([*fitted, *recalls]),
    ]


def scale_row(result: Record) -> list[str]:
    """Returns the cells of one size.

    Args:
        result (dict[str, Any]): The measurements of the size.
    """
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
    parts = f" in {found['parts']:,} partitions" if "parts" in found else ""
    mark = ", extrapolated" if found["extrapolated"] else ""
    return short(found["epoch_seconds"]) + parts + mark


def recalls_of(graphs: Record | None) -> str:
    """Returns the recall of each graph that was searched approximately."""
    found = graphs["search"].items() if graphs else []
    return ", ".join(
        f"{name.split('/')[1]} {value['recall']:.3f} ({value['index']})"
        for name, value in found
        if value.get("recall") is not None
    )


def features(channels: dict[str, int]) -> str:
    """Returns the dimensions of the features as text."""
    return f"features of {' + '.join(f'{size:,}' for size in channels.values())} dimensions"


SECTIONS: dict[str, tuple[str, Callable[[Record], list[str]]]] = {
    "graphs": ("Graph building and training step", graphs_lines),
    "graphs-cuda": ("Graph building and training step on a GPU", graphs_lines),
    "scale": ("Scale", scale_lines),
    "libraries": ("Libraries", libraries_lines),
}
