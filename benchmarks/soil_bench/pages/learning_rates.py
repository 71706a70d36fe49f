"""The section of the page on what each learning rate costs, by the trials of equal searches."""

from pathlib import Path
from statistics import mean

from soil_bench.pages.coverage import SEARCHED, is_equal_search
from soil_bench.pages.records import read_as
from soil_bench.runs.results import Record
from soil_bench.runs.tables import table

INTRODUCTION = """## Learning rates

How far the best trial at a learning rate is below the best of all trials of an equal search, in
percent of val Recall@20. *-*: no trial drew the rate. The trials of a system share three rates, so
that differences of a few percent may be due to the other settings; a mean over systems and data
sets is more certain. It counts the searches that tried all rates. Data of your own is trained at
0.001, the default, unless `--lr` says otherwise.
"""


def learning_rates_section(records: Path) -> list[str]:
    """Returns the section, nothing without equal searches of models that are trained.

    Args:
        records (Path): The folder of the records of :obj:`run.py tune`, which need not exist.

    Raises:
        ValueError: If a file is not the record of a search.
    """
    found = [read_as(path, "tune", read_losses) for path in sorted(records.glob("tuned-*.json"))]
    searches = {key: losses for search in found for key, losses in search.items()}
    if not searches:
        return []
    rates = sorted({rate for losses in searches.values() for rate in losses})
    datasets = [name for name in SEARCHED if any(dataset == name for _, dataset in searches)]
    columns = ["system", *(f"{dataset}, {rate:g}" for dataset in datasets for rate in rates)]
    rows = []
    for system in dict.fromkeys(system for system, _ in searches):
        losses = [searches.get((system, dataset), {}) for dataset in datasets]
        rows.append([system, *(percent(loss.get(rate)) for loss in losses for rate in rates)])
    whole = {key: losses for key, losses in searches.items() if len(losses) == len(rates)}
    means = [
        [losses[rate] for (_, name), losses in whole.items() if name == dataset]
        for dataset in datasets
        for rate in rates
    ]
    rows.append(["mean", *(percent(mean(values) if values else None) for values in means)])
    return ["\n".join([INTRODUCTION, *table(columns, rows)])]


def read_losses(record: Record) -> dict[tuple[str, str], dict[float, float]]:
    """Returns the loss of each learning rate by system and data set, nothing if the search does not
    count, or if nothing is trained.
    """
    if not is_equal_search(record) or not any(trial["epochs"] for trial in record["trials"]):
        return {}
    best: dict[float, float] = {}
    for trial in record["trials"]:
        rate = float(trial["settings"]["lr"])
        best[rate] = max(best.get(rate, 0.0), trial["value"])
    highest = max(best.values())
    name = " ".join(filter(None, (record["model"], record["profile"])))
    return {(name, record["dataset"]): {rate: 1 - best[rate] / highest for rate in best}}


def percent(share: float | None) -> str:
    """Returns a share as a percentage, a dash for none."""
    return "-" if share is None else f"{100 * share:.1f}"
