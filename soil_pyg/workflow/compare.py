"""The settings and the metrics of several runs side by side."""

import json
import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray

from soil_pyg.runs.checkpoint import load_finished_run
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.utils.checks import check_path

logger = logging.getLogger("soil_pyg")


def compare(runs: Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
    """Returns the settings in which runs differ and their metrics, one row per run.

    The columns are :obj:`run` (the folder), :obj:`model`, :obj:`data` (name and digest), the
    settings in which the runs differ, including the seed, :obj:`trained_epochs`,
    :obj:`best_epoch`, :obj:`seconds` and the metrics, such as :obj:`"test recall@20"`.

    Files, and folders that hold no finished run, are skipped with a warning each.

    Args:
        runs (Sequence[str or os.PathLike]): The folders of the runs.

    Raises:
        FileNotFoundError: If a path does not exist, or none of them is a finished run.
        ValueError: If no run is given, or a file is corrupt.
    """
    if isinstance(runs, str | bytes) or not isinstance(runs, Collection) or len(runs) == 0:
        raise ValueError(f"'runs' must be a list of at least one folder (got {runs!r})")
    for folder in runs:
        check_path("runs", folder)
    found = [(os.fspath(folder), *_read(Path(folder).expanduser())) for folder in runs]
    skipped = [f"'{folder}': {reason}" for folder, run, reason in found if run is None]
    contents = [run for _, run, _ in found if run is not None]
    if not contents:
        raise FileNotFoundError(f"'runs' must name at least one finished run (got {skipped[0]})")
    for line in skipped:
        logger.warning("Skipped %s", line)
    settings = [_settings(run) for run in contents]
    differing = [
        name
        for name in dict.fromkeys(name for values in settings for name in values)
        if len({json.dumps(values.get(name), sort_keys=True) for values in settings}) > 1
    ]
    columns: dict[str, list[Any]] = {
        "run": [folder for folder, run, _ in found if run is not None],
        "model": [values["model"] for values in settings],
        "data": [f"{run['data']['name']} {run['data']['digest'][:12]}" for run in contents],
    }
    for name in differing:
        columns.setdefault(name, [values.get(name) for values in settings])
    columns["trained_epochs"] = [run["epochs"] for run in contents]
    columns["best_epoch"] = [run["best_epoch"] for run in contents]
    columns["seconds"] = [run["seconds"]["total"] for run in contents]
    for split in HELD_OUT_SPLITS:
        for name in dict.fromkeys(name for run in contents for name in run[split]):
            columns[f"{split} {name}"] = [run[split].get(name) for run in contents]
    return pd.DataFrame({name: _array(values) for name, values in columns.items()})


def _read(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """Returns the content of a finished run, or :obj:`None` and why there is none."""
    if folder.is_file():
        return None, "it is a file"
    try:
        run = load_finished_run(folder)
    except FileNotFoundError as error:
        if not folder.exists():
            raise
        return None, str(error).replace(f"'{folder}'", "it", 1)
    return (run, "") if run["finished"] else (None, "its training has not finished")


def _array(values: list[Any]) -> ExtensionArray:
    # Missing options must not turn integers into floats.
    types = {type(value) for value in values if value is not None}
    if len(types) > 1 and not types <= {int, float}:
        values = [None if value is None else str(value) for value in values]
    array: ExtensionArray = pd.array(values)
    return array


def _settings(run: dict[str, Any]) -> dict[str, Any]:
    known = {"model": run["model"], **run["trainer"], **run["settings"]}
    if "device" in known:
        del known["accelerator"]
    # Lists and dictionaries cannot be compared cell by cell.
    return {
        name: json.dumps(value) if isinstance(value, list | dict) else value
        for name, value in known.items()
    }
