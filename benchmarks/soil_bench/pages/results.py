"""The page of results: reads files of finished runs and writes them as tables in Markdown.

For each model it shows the tried settings with the best val metric. The records of the other
benchmarks are read from the folder of the first file and from its folder "records". With the page
and the runs of the repository, the figures in its README and its documentation are written as well.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

from soil_bench.pages.coverage import coverage_section
from soil_bench.pages.figures import write_figures
from soil_bench.pages.learning_rates import learning_rates_section
from soil_bench.pages.paper import paper_sections
from soil_bench.pages.records import read_as
from soil_bench.pages.speed import speed_sections
from soil_bench.runs.results import (
    CHOICE,
    METRICS,
    Record,
    environment,
    mean_std,
    read_records,
    upgraded,
)
from soil_bench.runs.selection import best_of, by_settings, other_schedule, published
from soil_bench.runs.tables import table
from soil_bench.studies.derived_data import is_derived
from soil_bench.tuning.report import options_text
from soil_pyg.cli.parser import Parser
from soil_pyg.cli.run_command import run_command
from soil_pyg.utils.files import write_text
from soil_pyg.utils.signals import raise_on_signals

RECORDS = "records"
DEVICE = "device"
PAGE = Path(__file__).parents[2] / "README.md"
COLUMNS = ["model", "profile", "seeds", *METRICS, "published", "epoch", "minutes", "settings"]

INTRODUCTION = """# Results

Written by `python benchmarks/page.py benchmarks/results.jsonl`; each line of that file is a run of
`python benchmarks/run.py`, with all its settings. The sections after those of the data sets come
from the JSON files in the folder `records` beside it.

Full ranking of all items, training items masked, means over the users with test items; mean ±
sample standard deviation over seeds. Settings are chosen by val Recall@20 alone, among those with
the most seeds; the last column has the number of tried settings. Training stops early by the same
metric, and the best weights are tested once. *epoch* is the best epoch, *minutes* the time of a
whole run. *published* is Recall@20 / NDCG@20 in the literature,
if known for the data set. Where a run has another learning rate, decay or patience than the
published code, the last column has both values.
"""


def run_page(argv: list[str]) -> int:
    """Writes the page and returns the exit code."""
    return run_command("page.py", lambda: _run(argv), argv)


def _run(argv: list[str]) -> None:
    parser = Parser("page.py", __doc__)
    parser.add_argument("results", nargs="+", type=str, help="files of finished runs")
    parser.add_argument("--out", help=f"the page (default: {PAGE.name} beside the first file)")
    arguments = parser.parse_args(argv)
    paths = [Path(path) for path in arguments.results]
    out = paths[0].with_name(PAGE.name) if arguments.out is None else Path(arguments.out)
    for path in paths:
        if not path.is_file():
            raise ValueError(f"'results' must name files of finished runs (got '{path}')")
    if arguments.out == "" or out.is_dir() or not out.parent.is_dir():
        raise ValueError(f"'--out' must be a file in an existing folder (got '{arguments.out}')")
    raise_on_signals()
    records = [record for path in paths for record in read_runs(path)]
    folder = paths[0].parent / RECORDS
    others, tuned = other_sections(folder, out.parent), read_tuned(folder)
    write_text(out, page(records, others, tuned, coverage_section(folder, records)))
    if {path.resolve().parent for path in (*paths, out)} == {PAGE.parent}:
        write_figures(paths, PAGE.parents[1])


def read_runs(path: Path) -> list[Record]:
    """Returns the runs of a file.

    Raises:
        ValueError: If a line is not the record of a finished run, or there is none.
    """
    runs = read_records(path)
    if not runs:
        raise ValueError(f"'results' must name files of finished runs (got '{path}', without any)")
    for key, run in runs.items():
        try:
            page([run])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{path}: the run {key} is not a finished one ({error!r}); remove its line"
            ) from error
    return list(runs.values())


def read_tuned(records: Path) -> dict[str, str]:
    """Returns the settings that searches have tried, with the number of trials as text.

    Args:
        records (Path): The folder of the records of :obj:`run.py tune`, which need not exist.

    Raises:
        ValueError: If a file is not the record of a search.
    """
    found: dict[str, str] = {}
    for path in sorted(records.glob("tuned-*.json")):
        found |= read_as(path, "tune", _tried)
    return found


def _tried(record: Record) -> dict[str, str]:
    seeds = f" of {record['trial_seeds']} seeds" if record["trial_seeds"] > 1 else ""
    tried = [record["winner"]["settings"]]
    if record["profile"] is None:
        # Over several seeds another one may be better. A profile's are given, not chosen.
        tried += [trial["settings"] for trial in record["trials"]]
    found = {}
    for settings in tried:
        run = upgraded(record | {"settings": record["fixed"] | settings})
        text = f"{options_text(settings)}; {record['num_trials']} tried{seeds}"
        found[choice_of(run)] = text
    return found


def choice_of(record: Record) -> str:
    """Returns a key of the model, the data set and all settings of a run except the device."""
    settings = {name: value for name, value in record["settings"].items() if name != DEVICE}
    return json.dumps([record["model"], record["dataset"], settings], sort_keys=True)


def other_sections(records: Path, page_folder: Path) -> list[str]:
    """Returns the sections on the experiments of the paper, and on speed and memory.

    Raises:
        ValueError: If a file is not the record of its experiment or benchmark.
    """
    # Benchmarks of speed write theirs beside the finished runs.
    speed = speed_sections([records, records.parent], page_folder)
    return [*learning_rates_section(records), *paper_sections(records), *speed]


def page(
    records: Iterable[Record],
    others: Sequence[str] = (),
    tuned: Mapping[str, str] = MappingProxyType({}),
    coverage: str = "",
) -> str:
    """Returns the page of finished runs.

    Args:
        records (Iterable[dict]): The runs.
        others (Sequence[str], optional): The sections after those of the data sets.
            (default: :obj:`()`)
        tuned (Mapping[str, str], optional): The result of :func:`read_tuned`. (default: nothing)
        coverage (str, optional): The section before those of the data sets. (default: :obj:`""`)
    """
    # Runs on other versions of a data set are no seeds of each other.
    by_data: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        if is_derived(record["dataset"]):
            continue
        run = record | {"tuned": tuned.get(choice_of(record))}
        versions = by_data.setdefault(record["dataset"], {})
        versions.setdefault(record["data_digest"], []).append(run)
    sections = [section(runs) for _, found in sorted(by_data.items()) for runs in found.values()]
    first = [INTRODUCTION, coverage] if coverage else [INTRODUCTION]
    return "\n".join([*first, *sections, *others])


def section(runs: list[Record]) -> str:
    """Returns the table of one data set."""
    models: dict[tuple[str, str], list[Record]] = {}
    for run in runs:
        models.setdefault((model_of(run), run["profile"] or "-"), []).append(run)
    rows = []
    for of_model in models.values():
        groups = by_settings(of_model)
        rows.append((best_of(groups), [group[0]["settings"] for group in groups]))
    rows.sort(key=lambda row: fmean(run["test"][CHOICE] for run in row[0]))
    lines = [
        f"## {runs[0]['dataset']}",
        "",
        f"Data digest `{runs[0]['data_digest'][:12]}`. {'; '.join(environment(runs))}.",
        "",
        *table(COLUMNS, [row_of(*row) for row in rows]),
    ]
    return "\n".join(lines)


def row_of(group: list[Record], tried: list[Record]) -> list[str]:
    """Returns the cells of one model."""
    run = group[0]
    values = published(run["model"], run["dataset"])
    replaced = (
        f"; {name} {run['settings'][name]}, published with {value}"
        for name, value in other_schedule(run).items()
    )
    return [
        model_of(run),
        run["profile"] or "-",
        str(len(group)),
        *(mean_std([run["test"][name] for run in group], 4) for name in METRICS),
        f"{values['recall@20']:.4f} / {values['ndcg@20']:.4f}" if values else "-",
        mean_std([run["best_epoch"] for run in group], 0),
        mean_std([run["seconds"]["total"] / 60 for run in group], 1),
        (run["tuned"] or chosen(run["settings"], tried)) + "".join(replaced),
    ]


def model_of(run: Record) -> str:
    """Returns the name of the model, with the numbers of partitions and of batches per step if an
    epoch has several.
    """
    parts = {"num_partitions": "partitions", "batches_per_step": "batches per step"}
    numbers = [
        f"{run['settings'][n]} {text}" for n, text in parts.items() if run["settings"][n] > 1
    ]
    return ", ".join([run["model"], *numbers])


def chosen(settings: dict[str, Any], tried: list[dict[str, Any]]) -> str:
    """Returns the chosen values of the settings in which the tried ones differ."""
    names = [name for name in settings if name != DEVICE]
    varied = [name for name in names if len({repr(other.get(name)) for other in tried}) > 1]
    if not varied:
        return "1 tried"
    values = ", ".join(f"{name} {settings[name]}" for name in varied)
    return f"{values}; {len(tried)} tried"
