"""The section of the page on which systems were searched on which data set, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from soil_bench.pages.records import read_as
from soil_bench.runs.results import Record
from soil_bench.runs.selection import by_settings
from soil_bench.runs.tables import table
from soil_pyg.configs import available_configs, load_config

TRIALS, SEEDS = 8, 3
"""The numbers of trials and of seeds of a search."""

SEARCH = (
    "python benchmarks/run.py tune --models {models} --dataset {dataset} --root data "
    f"--trials {TRIALS} --search.lr 0.001,0.002,0.005 --search.patience 30 --workers 2"
)
"""The command of a search."""

COLUMNS = ["data set", "searched", "minutes per system", "not searched"]


@dataclass(frozen=True)
class Search:
    """A finished search.

    Args:
        dataset (str): The data set.
        model (str): The model.
        epochs (int): The number of epochs of all trials.
        settings (dict[str, Any]): The chosen values of the options of the search.
    """

    dataset: str
    model: str
    epochs: int
    settings: Record


SEARCHED = ("mls", "ml1m_sparse", "tiktok")
"""The data sets on which all systems are to be searched, in the order of the work."""

INTRODUCTION = f"""## Coverage

An equal search tries {TRIALS} settings per system, trains each to its end, and tests {SEEDS} seeds
of the best by validation. The other systems have not been searched yet, for lack of time. *Minutes
per system* are those of one core, median (smallest to largest), at the seconds per epoch of the
tested runs. Earlier searches, whose trials were cut short, stay in the tables below and do not
count here. Once the systems have been searched on `ml1m_sparse`, the settings found there are to be
trained on `ml1m`, where a run ends within 40 minutes. On `baby`, whose features are not public,
only systems without features can run.
"""


def coverage_section(records: Path, runs: Sequence[Record]) -> str:
    """Returns the section, nothing if there is no search of one of the data sets.

    Args:
        records (Path): The folder of the records of :obj:`run.py tune`, which need not exist.
        runs (Sequence[dict]): The finished runs.

    Raises:
        ValueError: If a file is not the record of a search.
    """
    found = [read_as(path, "tune", read_search) for path in sorted(records.glob("tuned-*.json"))]
    searches = [search for search in found if search is not None]
    if not searches:
        return ""
    systems = [name for name in available_configs() if load_config(name).search]
    rows, commands = [], []
    for dataset in SEARCHED:
        finished = [search for search in searches if search.dataset == dataset]
        models = {search.model for search in finished}
        missing = [name for name in systems if name not in models]
        minutes = [spent for search in finished if (spent := minutes_of(search, runs)) is not None]
        number = f"{len(systems) - len(missing)} of {len(systems)}"
        names = ", ".join(missing) or "none"
        rows.append([dataset, number, range_of(minutes), names if finished else "all"])
        if missing:
            commands.append(SEARCH.format(models=",".join(missing), dataset=dataset))
    lines = [INTRODUCTION, *table(COLUMNS, rows)]
    if commands:
        lines += ["These commands search the others. Each resumes where it stopped:", ""]
        lines += ["```console", *(f"$ {command}" for command in commands), "```", ""]
    return "\n".join(lines)


def read_search(record: Record) -> Search | None:
    """Returns the search of a record, :obj:`None` if it does not count."""
    if not is_equal_search(record):
        return None
    epochs = sum(trial["epochs"] for trial in record["trials"])
    return Search(record["dataset"], record["model"], epochs, record["winner"]["settings"])


def is_equal_search(record: Record) -> bool:
    """Returns whether a record is that of a search with the trials and seeds that count, each of
    which was trained to its end.
    """
    if record["dataset"] not in SEARCHED:
        return False
    trials = record["trials"]
    is_large = len(trials) >= TRIALS and record["seeds"] >= SEEDS
    return is_large and all(trial["state"] == "complete" for trial in trials)


def minutes_of(search: Search, runs: Sequence[Record]) -> float | None:
    """Returns the minutes that a search takes of one core, :obj:`None` if its runs are unknown."""
    found = [
        run
        for run in runs
        if (run["dataset"], run["model"]) == (search.dataset, search.model)
        and search.settings.items() <= run["settings"].items()
        and run["settings"].get("device", "cpu") == "cpu"
    ]
    mine = [run for group in by_settings(found)[-1:] for run in group]
    seconds = sum(run["seconds"]["total"] for run in mine)
    epochs = sum(run.get("epochs", 0) for run in mine)
    return (seconds + search.epochs * seconds / max(1, epochs)) / 60 if mine else None


def range_of(values: Sequence[float]) -> str:
    """Returns the median with the smallest and the largest value as text."""
    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})" if values else "-"
