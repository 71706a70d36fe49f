"""Reads the records of runs that earlier versions of the package have written."""

from typing import Any

from soil_pyg.models.resolver import import_model

RENAMED_SETTINGS = {
    "count_users": "weight_by_users",
    "floor": "min_weight",
    "num_parts": "num_partitions",
}
"""Today's names of settings by their former names."""

ADDED_SETTINGS = {
    "compile": False,
    "matmul_precision": "highest",
    "num_partitions": 1,
    "recall": 0.95,
}
"""The behaviour of the package before it had a setting, for records that lack it."""

OF_TRAINER = {"compile", "num_partitions"}
"""The added settings of every trainer; the others are settings of some models or graphs."""

OF_TRAIN = {"data", "device", "model", "profile"}
"""The settings by which a run of :func:`soil_pyg.train` is recognised."""


def upgrade_record(record: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of :obj:`run.json`, or of a finished run of the benchmark, with today's
    names of splits and with today's settings.

    Example:
        >>> upgrade_record({"valid": {"recall@20": 0.1}, "settings": {"floor": 0.0}})
        {'val': {'recall@20': 0.1}, 'settings': {'min_weight': 0.0}}
    """
    record = _rename(record, {"valid": "val"})
    if isinstance(record.get("history"), list):
        record["history"] = [_rename(epoch, {"valid": "val"}) for epoch in record["history"]]
    for group in ("settings", "trainer", "options"):
        if isinstance(record.get(group), dict):
            record[group] = _rename(record[group], RENAMED_SETTINGS)
    if isinstance(record.get("settings"), dict) and isinstance(record.get("model"), str):
        _add_missing(record)
    return record


def _rename(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _add_missing(record: dict[str, Any]) -> None:
    try:
        model_class = import_model(record["model"])
    except ValueError:  # Raised again, with its reason, where the model is made.
        return
    of_model = set(model_class.model_parameters())
    known = {"trainer": OF_TRAINER, "options": of_model}
    # Runs of a Trainer alone keep arbitrary settings.
    if record["settings"].keys() >= OF_TRAIN:
        known["settings"] = OF_TRAINER | of_model | set(model_class.graph_transform_parameters())
    for group, names in known.items():
        if isinstance(record.get(group), dict):
            missing = {name: ADDED_SETTINGS[name] for name in ADDED_SETTINGS if name in names}
            record[group] = missing | record[group]
