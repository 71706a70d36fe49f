"""The tables of how well items and users are served that came after the training."""

from typing import Any

from report import Report
from results import mean_std

Record = dict[str, Any]
ALL = "all"
TRAINED = "{}, trained with them"


def reports(record: Record) -> list[Report]:
    """Returns the table of held-out items and that of held-out users.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py newcomers`.
    """
    return [items_report(record), users_report(record)]


def items_report(record: Record) -> Report:
    """Returns the table of held-out items.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py newcomers`.
    """
    metrics = list(next(iter(record["items"].values()))[0])
    rows = [
        [name, *(mean_std([value[metric] for value in values], 4) for metric in metrics)]
        for name, values in record["items"].items()
    ]
    count = record["held_out_items"]
    chance = min(1.0, 20 / count)
    notes = [
        f"{count:,} items ranked among themselves; at random, recall@20 is {chance:.4f}",
        "popularity: the mean number of interactions of the nearest known items; "
        + _feature_knn(record),
    ]
    return Report(_title("Items that came later", record), ["model", *metrics], rows, notes)


def users_report(record: Record) -> Report:
    """Returns the table of held-out users.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py newcomers`.
    """
    sizes = list(next(iter(record["users"].values())))
    rows = []
    for name, by_size in record["users"].items():
        found = [[value["recall@20"] for value in by_size.get(size, [])] for size in sizes]
        rows.append([name, *(mean_std(values, 4) for values in found)])
    notes = [
        f"{record['held_out_users']:,} users, recall@20 over all items but their training ones",
        _feature_knn(record),
    ]
    columns = ["model", *(f"{size} known" for size in sizes)]
    return Report(_title("Users that came later", record), columns, rows, notes)


def _feature_knn(record: Record) -> str:
    return (
        f"feature kNN: the similarities of the user's items to the candidate, counted if among its "
        f"{record['k']} nearest, summed over the modalities"
    )


def _title(what: str, record: Record) -> str:
    seeds = f"{record['seeds']} seeds" if record["seeds"] > 1 else "one seed"
    limit = "" if record["epochs"] is None else f", at most {record['epochs']} epochs a run"
    return f"{what}, {record['share']:.0%} held out of {record['dataset']}, {seeds}{limit}"
