"""Reads what earlier versions of the package have written under other names."""

from typing import Any

RENAMED_SETTINGS = {
    "count_users": "weight_by_users",
    "floor": "min_weight",
    "num_parts": "num_partitions",
}
SETTINGS = ("settings", "trainer", "options")


def upgrade_record(record: dict[str, Any]) -> dict[str, Any]:
    """Returns the record of a run with today's names of splits and settings.

    Args:
        record (dict[str, Any]): The content of :obj:`run.json`, or a finished run of the benchmark.

    Example:
        >>> upgrade_record({"valid": {"recall@20": 0.1}, "settings": {"floor": 0.0}})
        {'val': {'recall@20': 0.1}, 'settings': {'min_weight': 0.0}}
    """
    record = {"val" if name == "valid" else name: value for name, value in record.items()}
    if isinstance(record.get("history"), list):
        record["history"] = [
            {"val" if name == "valid" else name: value for name, value in epoch.items()}
            for epoch in record["history"]
        ]
    for group in SETTINGS:
        if isinstance(record.get(group), dict):
            record[group] = {
                RENAMED_SETTINGS.get(name, name): value for name, value in record[group].items()
            }
    return record
