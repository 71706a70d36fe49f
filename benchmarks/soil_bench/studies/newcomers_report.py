"""The tables of users and items that are added after training."""

from soil_bench.runs.experiment import extent
from soil_bench.runs.results import Record, mean_std
from soil_bench.runs.tables import Report


def reports(record: Record) -> list[Report]:
    """Returns the tables of held-out items and users.

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
        f"{count:,} items ranked among themselves; recall@20 of a random ranking: {chance:.4f}",
        "popularity: mean number of interactions of the nearest known items; "
        + _feature_knn(record),
    ]
    return Report(_title("New items", record), ["model", *metrics], rows, notes)


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
        f"{record['held_out_users']:,} users, recall@20 over all items but their training items",
        _feature_knn(record),
    ]
    columns = ["model", *(f"{size} known" for size in sizes)]
    return Report(_title("New users", record), columns, rows, notes)


def _feature_knn(record: Record) -> str:
    return (
        "feature kNN: similarities of the user's items to the candidate, if among its "
        f"{record['k']} nearest, summed over the modalities"
    )


def _title(subject: str, record: Record) -> str:
    return f"{subject}, {record['share']:.0%} held out, {extent(record)}"
