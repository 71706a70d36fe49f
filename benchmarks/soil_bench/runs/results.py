"""The file of finished runs, and the table made of it."""

import errno
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from rich.console import Console

from soil_bench.runs.schema import RunLine
from soil_bench.runs.sources import code_digest
from soil_bench.runs.tables import Report, print_report
from soil_pyg.models.base import Recommender
from soil_pyg.models.resolver import import_model
from soil_pyg.runs.checkpoint import versions
from soil_pyg.runs.compatibility import upgrade_record
from soil_pyg.utils.files import bytes_digest, digest_of
from soil_pyg.utils.records import CHECKSUM, first_fault, parse_json
from soil_pyg.utils.workplace import locked

Record = dict[str, Any]
METRICS = ["recall@10", "recall@20", "ndcg@10", "ndcg@20"]
CHOICE = "recall@20"
"""The validation metric that settings are chosen by."""
IDENTITY = ["model", "profile", "dataset", "data_digest", "seed", "settings"]
"""Two runs with these and the digest of the code in common have the same result."""
RENAMED_MODELS = dict.fromkeys(
    ["zero_features:ZeroSOIL", "soil_bench.studies.missing:ZeroSOIL"],
    "soil_bench.studies.zero_features:ZeroSOIL",
)
AND = " and "
"""Separates the versions of several runs."""
OWN_MODELS = "soil_bench."
"""The start of the names of models of the benchmark, which records may name to be imported."""


def run_key(record: Record) -> str:
    """Returns the key of a run: a readable name, unique to its settings and its code."""
    identity = [*(record[name] for name in IDENTITY), record["versions"]["code"]]
    model = record["model"].rpartition(":")[2].lower()
    return f"{model}-{record['dataset']}-seed{record['seed']}-{digest_of(identity)[:12]}"


def upgraded(record: Record) -> Record:
    """Returns a record with today's names of splits, settings and models."""
    model = RENAMED_MODELS.get(str(record["model"]), str(record["model"]))
    model_class = import_model(model) if model.startswith(OWN_MODELS) else None
    # A name of another type is refused by the schema.
    found = {"model": model} if isinstance(record["model"], str) else {}
    return upgrade_record(record, model_class) | found


def identity(record: Record) -> str:
    """Returns all that decides the result of an upgraded record's run, except for the code."""
    return json.dumps([record[name] for name in IDENTITY], sort_keys=True)


def versions_and_code(model_class: type[Recommender]) -> dict[str, str]:
    """Returns the versions that decide a result, and as :obj:`"code"` a digest of the sources.

    Args:
        model_class (type): The model, whose file counts even if it is outside the package.
    """
    found = versions()
    decisive = {name: version for name, version in found.items() if name != "soil_pyg"}
    parts = [json.dumps(decisive, sort_keys=True), code_digest(model_class)]
    return found | {"code": bytes_digest(["\n".join(parts).encode()])[:16]}


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Appends a run with its checksum as one line of JSON and syncs the file to the disk. Lines of
    several processes do not mix, and a line that was cut off is ended first.
    """
    text = json.dumps(record, allow_nan=False)
    sealed = {**record, CHECKSUM: digest_of(json.loads(text))}
    line = f"{json.dumps(sealed, allow_nan=False)}\n".encode()
    with open(path, "a+b", buffering=0) as file, locked(file):
        end = file.seek(0, os.SEEK_END)
        if end > 0:
            file.seek(end - 1)
            line = line if file.read(1) == b"\n" else b"\n" + line
        try:
            written = file.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def read_records(path: Path) -> dict[str, Record]:
    """Returns the finished runs under today's names by their keys, the last line of each key.

    Raises:
        ValueError: If a line is not the record of a run.
    """
    return read_lines(path, "the record of a run", _read_run)


def _read_run(line: Record) -> tuple[str, Record]:
    record = upgraded(line)
    RunLine.model_validate(record)
    return run_key(line), record


def read_lines(
    path: Path, kind: str, read: Callable[[Any], tuple[str, Record]]
) -> dict[str, Record]:
    """Returns the JSON values of the lines of a file by their keys, the last line of each key.

    Args:
        path (Path): The file, which need not exist.
        kind (str): The content of a line, for errors.
        read (callable): Returns the key and the value of a parsed line.

    Raises:
        ValueError: If a line holds something else.
    """
    found: dict[str, Record] = {}
    if not path.exists():
        return found
    if not path.is_file():
        raise ValueError(f"'{path}' must be a file: move it away, or choose another '--out'")
    content = path.read_bytes()
    # Other ends of lines than this one may be in texts.
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    for number, line in enumerate(lines, start=1):
        try:
            record = parse_json(line)
            stored = record.pop(CHECKSUM, None) if isinstance(record, dict) else None
            if stored is not None and stored != digest_of(record):
                raise ValueError("it has changed since it was written")
            key, value = read(record)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = first_fault(error) if isinstance(error, ValidationError) else repr(error)
            raise ValueError(
                f"{path}, line {number}: not {kind} ({reason:.200}); remove the line (sed -i "
                f"{number}d '{path}')"
            ) from error
        # The last line of a key is the latest of all.
        found.pop(key, None)
        found[key] = value
    return found


def print_table(records: Iterable[Record], console: Console) -> None:
    """Prints a row per model: mean and standard deviation of the test metrics over its seeds.

    Args:
        records (Iterable[dict[str, Any]]): Runs on one data set.
        console (Console): The console to print to.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["model"], record["profile"] or "-"), []).append(record)
    runs = [record for group in groups.values() for record in group]
    if not runs:
        return
    rows = []
    for names, group in groups.items():
        tests = [run["test"] for run in group]
        scores = [mean_std([t[name] for t in tests if name in t], 4) for name in METRICS]
        epoch = mean_std([run["best_epoch"] for run in group], 1)
        seconds = mean_std([run["seconds"]["total"] for run in group], 1)
        rows.append([*names, str(len(group)), *scores, epoch, seconds])
    data = f"{runs[0]['dataset']} ({runs[0]['data_digest'][:12]})"
    title = f"Test metrics on {data}, mean ± standard deviation over seeds"
    columns = ["model", "profile", "seeds", *METRICS, "best epoch", "seconds"]
    print_report(Report(title, columns, rows, ["; ".join(environment(runs))]), console)


def mean_std(values: list[float], digits: int) -> str:
    """Returns mean ± sample standard deviation as text; the mean of one value, a dash for none."""
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def environment(runs: list[dict[str, Any]]) -> list[str]:
    """Returns the versions, machines and dates of runs as texts."""
    found = joined(run["versions"] for run in runs)
    found.pop("code", None)
    return [f"{name} {value}" for name, value in found.items()]


def joined(several: Iterable[dict[str, str]]) -> dict[str, str]:
    """Returns the versions of several runs as one.

    Example:
        >>> joined([{"machine": "A"}, {"machine": "B"}, {"machine": "A and B"}])
        {'machine': 'A and B'}
    """
    found: dict[str, set[str]] = {}
    for versions_of_run in several:
        for name, value in versions_of_run.items():
            found.setdefault(name, set()).update(value.split(AND))
    return {name: AND.join(sorted(values)) for name, values in found.items()}


def machine_and_date() -> dict[str, str]:
    """Returns the machine and the date, which a run's record holds beside its versions."""
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
