"""Runs of a model over several seeds: what they are, and how they are run."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from torch_geometric.data import HeteroData

from soil_bench.runs.job import Job, build_model, build_trainer
from soil_bench.runs.process import run_processes
from soil_bench.runs.results import METRICS, read_records, run_key, versions_and_code
from soil_pyg.training.partition_loader import check_num_partitions
from soil_pyg.workflow.options import ModelOptions

MODULE = "soil_bench.runs.job"


@dataclass(frozen=True)
class Plan:
    """Where runs take place.

    Args:
        dataset (str): The name of the data set.
        root (str): The folder that holds the folder of the data set.
        out (str): The folder of the results.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
    """

    dataset: str
    root: str
    out: str
    device: str = "cpu"


def make_jobs(
    plan: Plan,
    data: HeteroData,
    model: ModelOptions,
    profile: str,
    settings: dict[str, Any],
    num_seeds: int,
) -> list[Job]:
    """Returns a job for each seed, after trying all that can be tried before training.

    Args:
        plan (Plan): Where they are run.
        data (HeteroData): The data.
        model (ModelOptions): The model.
        profile (str): The profile that the settings come from, for a model that has profiles.
        settings (dict[str, Any]): The value of each option.
        num_seeds (int): The number of seeds, from 0 on.

    Raises:
        ValueError: If a setting cannot be right.
    """
    settings = settings | {"device": plan.device}
    check_folder(plan.out)
    try:
        check_settings(settings, data)
        build_trainer(model, settings, seed=0)
        model.model_class.graph_transform(**model.values_for("graphs", settings))
        build_model(model, settings, data)
    except ValueError as error:
        raise ValueError(f"model '{model.spec}': {error}") from error
    record = {
        "model": model.spec,
        "profile": profile if model.model_class.profiles else None,
        "dataset": plan.dataset,
        "data_digest": data.digest,
        "settings": settings,
        "versions": versions_and_code(model.model_class),
    }
    return [Job(record | {"seed": seed}, plan.root, plan.out) for seed in range(num_seeds)]


def check_settings(settings: dict[str, Any], data: HeteroData) -> None:
    """Raises :class:`ValueError` if runs with the settings would fail late.

    Args:
        settings (dict[str, Any]): The value of each option.
        data (HeteroData): The data.
    """
    check_num_partitions(settings["num_partitions"], data)
    shown = {int(name.partition("@")[2]) for name in METRICS}
    if not shown <= set(settings["ks"]):
        raise ValueError(
            f"'ks' must hold {' and '.join(map(str, sorted(shown)))}, which the tables show "
            f"(got {list(settings['ks'])})"
        )


def check_folder(out: str) -> None:
    """Raises :class:`ValueError` if a folder can be neither written to nor made.

    Args:
        out (str): The folder.
    """
    found = Path(out).absolute()
    while not found.exists():
        found = found.parent
    if not found.is_dir() or not os.access(found, os.W_OK):
        raise ValueError(f"'--out' must be a folder that can be written to (got '{out}')")


def run_jobs(jobs: list[Job], console: Console, rerun: bool = False, workers: int = 1) -> list[Job]:
    """Runs the jobs that are not finished, each in a process of its own, and returns those that
    failed.

    Args:
        jobs (list[Job]): The jobs.
        console (Console): Where to say what is done.
        rerun (bool, optional): Whether to run finished jobs again, too. (default: :obj:`False`)
        workers (int, optional): How many run at a time; they share the cores.
            (default: :obj:`1`)
    """
    finished = read_records(jobs[0].results_file) if jobs else {}
    todo = []
    for number, job in enumerate(jobs, start=1):
        key = run_key(job.record)
        if key in finished and not rerun:
            console.print(f"[{number}/{len(jobs)}] {key}: finished before, not run again")
        else:
            todo.append((f"[{number}/{len(jobs)}] {key}", job))
    logs = None
    if workers > 1 and todo:
        folder = Path(todo[0][1].out, "logs")
        folder.mkdir(parents=True, exist_ok=True)
        logs = [folder / f"{run_key(job.record)}.log" for _, job in todo]
        console.print(f"{workers} at a time; what each reports is in {folder}")

    def start(number: int) -> None:
        text, job = todo[number]
        console.print(text)
        if rerun:
            shutil.rmtree(job.folder, ignore_errors=True)

    lines = [job.dumps() for _, job in todo]
    failed = []
    for number, code in run_processes(MODULE, lines, workers, logs=logs, on_start=start):
        text, job = todo[number]
        if code != 0:
            failed.append(job)
        if workers > 1:
            console.print(f"{text}: {'done' if code == 0 else f'failed with exit code {code}'}")
    return failed
