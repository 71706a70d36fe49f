"""The sections of the page on speed and memory, built from the records of the benchmarks."""

from collections.abc import Callable, Sequence
from functools import partial
from os.path import relpath
from pathlib import Path

from soil_bench.pages.records import read_as, written_by
from soil_bench.runs.results import Record
from soil_bench.speed.blocks import blocks_lines
from soil_bench.speed.busy import busy_lines
from soil_bench.speed.estimate import estimate_lines
from soil_bench.speed.graphs_report import graphs_lines
from soil_bench.speed.index_report import index_lines
from soil_bench.speed.libraries_report import libraries_lines
from soil_bench.speed.limit import limit_lines
from soil_bench.speed.pipeline import pipeline_lines
from soil_bench.speed.ranks import ranks_lines
from soil_bench.speed.scale_report import scale_lines
from soil_bench.speed.serve_report import serve_lines
from soil_bench.speed.steps import steps_lines
from soil_bench.systems.report import systems_lines

SECTIONS: dict[str, tuple[str, Callable[[Record], list[str]]]] = {
    "graphs": ("Graph building and training step", graphs_lines),
    "graphs-cuda": ("Graph building and training step on a GPU", graphs_lines),
    "steps": ("Training steps of all models", steps_lines),
    "busy": ("A busy core", busy_lines),
    "scale": ("Scale", scale_lines),
    "pipeline": ("Pipeline", pipeline_lines),
    "ranks": ("Several processes", ranks_lines),
    "ray": ("Blocks by Ray", blocks_lines),
    "estimate": ("Past one machine", estimate_lines),
    "serve": ("Server", serve_lines),
    "indexes": ("Indexes", index_lines),
    "limit": ("Exact or by an index", limit_lines),
    "libraries": ("Libraries", libraries_lines),
    "systems-baby": ("Whole systems: baby", systems_lines),
    "systems-ml1m": ("Whole systems: ml1m", systems_lines),
}
"""The title and the lines of each kind of record, by the name of its file."""


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
        command = name.replace("-cuda", " --device cuda").replace("systems-", "systems --dataset ")
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
        command (str): The command of a record that does not hold its options.
        lines_of (callable): Returns the lines of the record.
        record (dict[str, Any]): The record.
    """
    if "options" in record:
        command = f"{command.partition(' ')[0]} {record['options']}".strip()
    return [f"## {title}", "", *lines_of(record), *written_by(command, "", record)]
