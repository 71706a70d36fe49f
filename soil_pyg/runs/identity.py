"""The identity of a training run: its model, data, settings and options."""

import json
import os
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.models.resolver import import_model, model_name
from soil_pyg.runs.data_identity import data_identity

SHOWN = 5
"""The maximum number of differences in an error message."""


def run_identity(
    model: Recommender, data: HeteroData, settings: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Returns the identity of a run, or raises :class:`ValueError` if a setting or an option is not
    a JSON value.
    """
    name = model_name(type(model))
    if import_model(name) is not type(model):
        raise ValueError(f"'model' must be importable as '{name}' to be stored")
    identity: dict[str, Any] = {"model": name}
    groups = {"options": model.options, "settings": settings, "trainer": options}
    for group, values in groups.items():
        identity[group] = {}
        for key, value in values.items():
            try:
                identity[group][key] = json.loads(json.dumps(value, allow_nan=False))
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"'{group}' must hold JSON values to be stored ('{key}': {error})"
                ) from error
    identity["data"] = data_identity(data)
    return identity


def refuse_other_run(
    folder: str | os.PathLike[str],
    stored: dict[str, Any],
    identity: dict[str, Any],
    may_go_on: bool = True,
) -> None:
    """Raises :class:`ValueError` with the differences if the identity of the run that is stored in
    a folder is another one; with :obj:`may_go_on`, more epochs are no difference.
    """
    # Runs of earlier versions know less about their data.
    data = {key: identity["data"][key] for key in stored["data"]}
    old = _flatten({name: stored[name] for name in identity})
    new = _flatten(identity | {"data": data})
    longer = may_go_on and has_more_epochs(identity, stored)
    ignored = {"trainer.epochs", "settings.epochs"} if longer else set()
    names = [name for name in old | new if old.get(name) != new.get(name) and name not in ignored]
    if names:
        shown = [f"{n}: {old.get(n)!r} there, {new.get(n)!r} now" for n in names[:SHOWN]]
        more = f"; and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        differences = "; ".join(shown) + more
        raise ValueError(
            f"'{folder}' holds a run that differs ({differences}): choose another "
            "folder, or replace it with 'overwrite' (--overwrite)"
        )


def has_more_epochs(identity: dict[str, Any], stored: dict[str, Any]) -> bool:
    """Returns whether a run is to have more epochs than the stored one."""
    new, old = (each["trainer"].get("epochs") for each in (identity, stored))
    return isinstance(new, int) and isinstance(old, int) and new > old


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, dict) and value
        flat |= _flatten(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat
