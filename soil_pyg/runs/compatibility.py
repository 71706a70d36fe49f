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
    known = _known_settings(record)
    for group in ("settings", "trainer", "options"):
        if isinstance(record.get(group), dict):
            # A model of one's own may have an option by a former name.
            names = {n: new for n, new in RENAMED_SETTINGS.items() if n not in known[group]}
            added = {name: ADDED_SETTINGS[name] for name in ADDED_SETTINGS if name in known[group]}
            record[group] = added | _rename(record[group], names)
    return record


def _rename(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _known_settings(record: dict[str, Any]) -> dict[str, set[str]]:
    # The settings of each group of a record, as far as its model tells.
    known: dict[str, set[str]] = {"settings": set(), "trainer": set(), "options": set()}
    if not (isinstance(record.get("settings"), dict) and isinstance(record.get("model"), str)):
        return known
    try:
        model_class = import_model(record["model"])
    except ValueError:  # Raised again, with its reason, where the model is made.
        return known
    known |= {"trainer": OF_TRAINER, "options": set(model_class.model_parameters())}
    # Runs of a Trainer alone keep arbitrary settings.
    if record["settings"].keys() >= OF_TRAIN:
        of_graphs = set(model_class.graph_transform_parameters())
        known["settings"] = OF_TRAINER | known["options"] | of_graphs
    return known
