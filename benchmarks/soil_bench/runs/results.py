"""The file of finished runs, and the table made of it."""

import hashlib
import json
import os
import platform
import statistics
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from soil_bench.runs.sources import code_digest
from soil_pyg.models.base import Recommender
from soil_pyg.runs.checkpoint import versions

METRICS = ["recall@10", "recall@20", "ndcg@10", "ndcg@20"]
CHOICE = "recall@20"
"""The validation metric that settings are chosen by."""

# Two runs with these and the digest of the code in common have the same result.
IDENTITY = ["model", "profile", "dataset", "data_digest", "seed", "settings"]


def run_key(record: dict[str, Any]) -> str:
    """Returns the name of a run's folder: readable, and unique to what decides its result."""
    identity = [*(record[name] for name in IDENTITY), record["versions"]["code"]]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    model = record["model"].rpartition(":")[2].lower()
    return f"{model}-{record['dataset']}-seed{record['seed']}-{digest[:12]}"


def versions_and_code(model_class: type[Recommender]) -> dict[str, str]:
    """Returns the versions that decide a result, and as :obj:`"code"` a digest of the sources.

    Args:
        model_class (type): The model, whose file counts too if it is outside the package.
    """
    found = versions()
    decisive = {name: version for name, version in found.items() if name != "soil_pyg"}
    parts = [json.dumps(decisive, sort_keys=True), code_digest(model_class)]
    digest = hashlib.sha256("\n".join(parts).encode())
    return found | {"code": digest.hexdigest()[:16]}


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Appends a run as one line of JSON, in a single write so that no two lines can mix."""
    line = json.dumps(record, allow_nan=False) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read_records(path: Path) -> dict[str, dict[str, Any]]:
    """Returns the finished runs by their key, the last line of each.

    Args:
        path (Path): The file, which need not exist.

    Raises:
        ValueError: If a line is not the record of a run.
    """
    records = {}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            records[run_key(record)] = record
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path}, line {number}: not the record of a run ({error!r}); remove the line"
            ) from error
    return records


def print_table(records: Iterable[dict[str, Any]], console: Console) -> None:
    """Prints one row a model: mean and standard deviation of the test metrics over its seeds.

    Args:
        records (Iterable[dict]): Runs on one data set.
        console (Console): Where to print.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["model"], record["profile"] or "-"), []).append(record)
    runs = [record for group in groups.values() for record in group]
    if not runs:
        return
    data = f"{runs[0]['dataset']} ({runs[0]['data_digest'][:12]})"
    title = f"Test metrics on {data}, mean ± standard deviation over seeds"
    table = Table(title=title, caption=_caption(runs), caption_justify="left")
    for name in ["model", "profile"]:
        table.add_column(name)
    for name in ["seeds", *METRICS, "best epoch", "seconds"]:
        table.add_column(name, justify="right")
    for (model, profile), group in groups.items():
        tests = [run["test"] for run in group]
        scores = [mean_std([t[name] for t in tests if name in t], 4) for name in METRICS]
        epoch = mean_std([run["best_epoch"] for run in group], 1)
        seconds = mean_std([run["seconds"]["total"] for run in group], 1)
        table.add_row(model, profile, str(len(group)), *scores, epoch, seconds)
    console.print(table)


def mean_std(values: list[float], digits: int) -> str:
    """Returns mean ± sample standard deviation as text, of one value the mean, of none a dash."""
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def _caption(runs: list[dict[str, Any]]) -> str:
    return "; ".join(environment(runs))


def environment(runs: list[dict[str, Any]]) -> list[str]:
    """Returns the machines, the dates and the versions of runs as texts."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run["versions"].items():
            found.setdefault(name, set()).add(value)
    found.pop("code", None)
    return [f"{name} {' and '.join(sorted(values))}" for name, values in found.items()]


def machine_and_date() -> dict[str, str]:
    """Returns where and when a run is made, to keep beside its versions."""
    return {"machine": machine(), "date": date.today().isoformat()}


def machine() -> str:
    """Returns the processor, its threads and the GPU of this machine."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0].partition(":")[2].strip() if models else name
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {torch.get_num_threads()} threads{gpu}"
