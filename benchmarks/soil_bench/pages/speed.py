"""The sections of the page on speed and memory, made of the records of the other benchmarks."""

import json
from collections.abc import Callable, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

from soil_bench.runs.results import environment
from soil_bench.runs.tables import bullets, short, table
from soil_bench.speed.graphs_report import notes, spread
from soil_bench.speed.libraries_tables import libraries_lines
from soil_bench.speed.scale_report import memory, search

Result = dict[str, Any]
SCALE_COLUMNS = [
    *["users", "items", "interactions", "graphs, s", "MiB", "search", "epoch, s", "MiB"],
    *["epoch on parts, s", "MiB", "naive graphs, s", "MiB", "naive epoch, s"],
]


def speed_sections(folders: Sequence[Path], page_folder: Path) -> list[str]:
    """Returns a section for each benchmark whose record is in one of the folders.

    Args:
        folders (Sequence[Path]): The folders, which need not exist, with
            :obj:`"<benchmark>.json"` and the pictures; the first that has a record counts.
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
        try:
            record = json.loads(path.read_text("utf-8"))
            lines = [f"## {title}", "", *lines_of(record), *provenance(command, record)]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{path}: not a record of 'run.py {command}' ({error!r}); write it again or remove "
                f"it"
            ) from error
        picture = path.with_suffix(".png")
        if picture.is_file():
            link = Path(relpath(picture, page_folder)).as_posix()
            lines += [f"![{title}]({link})", ""]
        found.append("\n".join(lines))
    return found


def graphs_lines(record: Result) -> list[str]:
    """Returns the section of graphs, steps and epochs beside the naive rendering.

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
        # Quantities that belong to the one above are indented.
        label = name if row["name"] == name else f"&emsp;{name}"
        ours, naive = (spread(row["values"][side]) for side in ("fast", "naive"))
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:,.1f}"
        met = {True: "yes", False: "no", None: ""}[row.get("met")]
        rows.append([label, ours, naive, ratio, row.get("target", ""), met])
    return [
        f"SOIL, {', '.join(sizes)}, {features(record['data']['channels'])}: ours beside the naive "
        "rendering of the definitions in `naive.py`. Median (smallest to largest). Ratio: naive to "
        "ours; of the floor: our step to it. Evaluation: ours of one split, as in training; the "
        "naive one of two.",
        "",
        *table(["", "ours", "naive", "ratio", "target", "met"], rows),
        *bullets(notes(record)),
    ]


def scale_lines(record: Result) -> list[str]:
    """Returns the section of graphs and training against the number of items.

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
        "the whole process. Extrapolated: a few steps, or a few parts, stand for the epoch. The "
        "naive epoch is training alone, as ours. -: not measured.",
        "",
        *table(SCALE_COLUMNS, [scale_row(result) for result in record["sizes"]]),
        *bullets([*fitted, *recalls]),
    ]


def scale_row(result: Result) -> list[str]:
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


def epoch(found: Result | None) -> str:
    """Returns the seconds of an epoch, in how many parts, and whether they are extrapolated."""
    if found is None:
        return "-"
    parts = f" in {found['parts']:,} parts" if "parts" in found else ""
    mark = ", extrapolated" if found["extrapolated"] else ""
    return short(found["epoch_seconds"]) + parts + mark


def recalls_of(graphs: Result | None) -> str:
    """Returns the recall of each graph that was searched for approximately."""
    found = graphs["search"].items() if graphs else []
    return ", ".join(
        f"{name.split('/')[1]} {value['recall']:.3f} ({value['index']})"
        for name, value in found
        if value.get("recall") is not None
    )


def provenance(name: str, record: Result) -> list[str]:
    """Returns what wrote a record, where, when and with which versions.

    Args:
        name (str): The name of the benchmark.
        record (dict[str, Any]): Its record.
    """
    where = "; ".join(environment([record]))
    command = f"{name.partition(' ')[0]} {record['options']}" if "options" in record else name
    return [f"Written by `python benchmarks/run.py {command.strip()}`. {where}.", ""]


def features(channels: dict[str, int]) -> str:
    """Returns the dimensions of the features in words."""
    return f"features of {' + '.join(f'{size:,}' for size in channels.values())} dimensions"


SECTIONS: dict[str, tuple[str, Callable[[Result], list[str]]]] = {
    "graphs": ("Graph building and training step", graphs_lines),
    "graphs-cuda": ("Graph building and training step on a GPU", graphs_lines),
    "scale": ("Scale", scale_lines),
    "libraries": ("Libraries", libraries_lines),
}
