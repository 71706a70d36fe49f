"""Reads the records of runs that earlier versions of the package have written."""

from typing import Any

from soil_pyg.models.base import Recommender
from soil_pyg.models.resolver import own_model

RENAMED_SETTINGS = {
    "count_users": "weight_by_users",
    "floor": "min_weight",
    "num_parts": "num_partitions",
}
"""Today's names of settings by their former names."""

ADDED_SETTINGS = {
    "batches_per_step": 1,
    "compile": False,
    "evaluate": "current",
    "interest": True,
    "interest_scale": 1.0,
    "matmul_precision": "highest",
    "num_partitions": 1,
    "recall": 0.95,
    "second_order": True,
    "strict": False,
}
"""The behaviour of the package before it had a setting, for records that lack it."""

OF_TRAINER = {"batches_per_step", "compile", "evaluate", "num_partitions"}
"""The added settings of every trainer; the others are settings of some models or graphs."""

OF_TRAIN = {"data", "device", "model", "profile"}
"""The settings by which a run of :func:`soil_pyg.train` is recognised."""

OF_BENCHMARK = {"dataset", "profile"}
"""The keys by which a run of the benchmark is recognised."""


def upgrade_record(
    record: dict[str, Any], model_class: type[Recommender] | None = None
) -> dict[str, Any]:
    """Returns the content of :obj:`run.json`, or of a finished run of the benchmark, with today's
    names of splits and with today's settings.

    Of a model that is neither given nor one of the package, only the settings of the trainer are
    renamed and added: a record does not choose what is imported.

    Example:
        >>> upgrade_record({"valid": {"recall@20": 0.1}, "trainer": {"num_parts": 4}})["trainer"]
        {'batches_per_step': 1, 'compile': False, 'evaluate': 'current', 'num_partitions': 4}
    """
    record = _rename(record, {"valid": "val"})
    if isinstance(record.get("history"), list):
        record["history"] = [
            _rename(epoch, {"valid": "val"}) if isinstance(epoch, dict) else epoch
            for epoch in record["history"]
        ]
    names, known = _settings_by_group(record, model_class)
    for group in ("settings", "trainer", "options"):
        if isinstance(record.get(group), dict):
            # A model of one's own may have an option by a former name.
            former = {n: new for n, new in names[group].items() if n not in known[group]}
            added = {name: ADDED_SETTINGS[name] for name in ADDED_SETTINGS if name in known[group]}
            record[group] = added | _rename(record[group], former)
    return record


def _rename(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _settings_by_group(
    record: dict[str, Any], model_class: type[Recommender] | None
) -> tuple[dict[str, dict[str, str]], dict[str, set[str]]]:
    """Returns the former names of settings and the known settings, by the group of a record."""
    name, settings, trainer = (record.get(key) for key in ("model", "settings", "trainer"))
    if model_class is None and isinstance(name, str):
        model_class = own_model(name)
    of_trainer = {n: new for n, new in RENAMED_SETTINGS.items() if new in OF_TRAINER}
    is_former = isinstance(trainer, dict) and not of_trainer.keys().isdisjoint(trainer)
    names = {"trainer": of_trainer, "settings": of_trainer if is_former else {}, "options": {}}
    known: dict[str, set[str]] = {"trainer": OF_TRAINER, "settings": set(), "options": set()}
    if model_class is not None:
        names = dict.fromkeys(names, RENAMED_SETTINGS)
        known["options"] = set(model_class.model_parameters())
    # Runs of a Trainer alone keep arbitrary settings.
    is_of_train = isinstance(settings, dict) and settings.keys() >= OF_TRAIN
    if is_of_train or record.keys() >= OF_BENCHMARK:
        of_graphs = {} if model_class is None else model_class.graph_transform_parameters()
        known["settings"] = OF_TRAINER | known["options"] | set(of_graphs)
    return names, known
