"""Training runs of a model over several seeds, each in a process of its own."""

import json
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from torch_geometric.data import HeteroData

from soil_bench.runs.equivalence import FinishedRuns
from soil_bench.runs.execution import Execution, run_processes
from soil_bench.runs.results import METRICS, Record, run_key, versions_and_code
from soil_pyg.training.partition_loader import check_num_partitions
from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer

MODULE = "soil_bench.runs.run_job"
"""The module of a run's process."""
ONE_AT_A_TIME = Execution()
PAIRED = ("recall@20", "ndcg@20")
"""The metrics in which models are compared user by user."""


@dataclass(frozen=True)
class Plan:
    """Where runs take place.

    Args:
        dataset (str): The name of the data set.
        root (str): The folder that holds the folder of the data set.
        out (str): The folder of the results.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`. (default: :obj:`"cpu"`)
        rerun (bool): Whether finished runs are run again. (default: :obj:`False`)
    """

    dataset: str
    root: str
    out: str
    device: str = "cpu"
    rerun: bool = False

    @property
    def results_file(self) -> Path:
        """The file of finished runs."""
        return Path(self.out, "results.jsonl")


@dataclass(frozen=True)
class Job:
    """A run.

    Args:
        record (dict[str, Any]): The part of the run's record that is known beforehand.
        root (str): The folder that holds the folder of the data set.
        out (str): The folder of the results.
        finished (str, optional): The key of a finished run with the same result.
            (default: :obj:`None`)
    """

    record: Record
    root: str
    out: str
    finished: str | None = None

    @property
    def key(self) -> str:
        """The key of the run's record."""
        return self.finished or run_key(self.record)

    @property
    def results_file(self) -> Path:
        """The file to which the record is appended."""
        return Path(self.out, "results.jsonl")

    @property
    def folder(self) -> Path:
        """The folder of the run's checkpoint."""
        return Path(self.out, "runs", self.key)

    @property
    def log(self) -> Path:
        """The file of the output of its process, unless that is the terminal."""
        return Path(self.out, "logs", f"{self.key}.log")

    @property
    def users_file(self) -> Path:
        """The file of the test metrics of each user."""
        return Path(self.out, "users", f"{self.key}.npz")

    def dumps(self) -> str:
        """Returns the job as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def make_jobs(
    plan: Plan,
    data: HeteroData,
    model: ModelOptions,
    profile: str | None,
    settings: dict[str, Any],
    num_seeds: int,
) -> list[Job]:
    """Returns a job for each seed, after checking all that can be checked before training.

    Args:
        plan (Plan): Where they are run.
        data (HeteroData): The data.
        model (ModelOptions): The model.
        profile (str, optional): The profile of the settings, for a model that has profiles.
        settings (dict[str, Any]): The value of each option.
        num_seeds (int): The number of seeds, from 0 on.

    Raises:
        ValueError: If a setting is invalid.
    """
    settings = settings | {"device": plan.device}
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
    records = [record | {"seed": seed} for seed in range(num_seeds)]
    if plan.rerun:
        return [Job(each, plan.root, plan.out) for each in records]
    finished = FinishedRuns(plan.results_file)
    return [Job(each, plan.root, plan.out, finished.find(each)) for each in records]


def check_settings(settings: dict[str, Any], data: HeteroData) -> None:
    """Raises :class:`ValueError` if runs with the settings would fail late."""
    check_num_partitions(settings["num_partitions"], data)
    shown = {int(name.partition("@")[2]) for name in METRICS}
    if not shown <= set(settings["ks"]):
        raise ValueError(
            f"'ks' must hold {' and '.join(map(str, sorted(shown)))}, which the tables show "
            f"(got {list(settings['ks'])})"
        )


def run_jobs(
    jobs: list[Job], console: Console, rerun: bool = False, execution: Execution = ONE_AT_A_TIME
) -> list[Job]:
    """Runs the jobs that are not finished, each in a process of its own, and returns those that
    failed.

    Args:
        jobs (list[Job]): The jobs, all with the same folder of results.
        console (Console): The console for progress.
        rerun (bool, optional): Whether to run finished jobs again. (default: :obj:`False`)
        execution (Execution, optional): How they are executed. (default: one at a time)
    """
    finished = FinishedRuns(jobs[0].results_file).records if jobs and not rerun else {}
    todo = []
    for number, job in enumerate(jobs, start=1):
        text = f"[{number}/{len(jobs)}] {job.key}"
        if job.key in finished:
            console.print(f"{text}: finished before, not run again")
        else:
            todo.append((text, job))
    logs = [job.log for _, job in todo]
    if execution.executor is not None and todo:
        console.print(f"{execution.workers} at a time; their output is in {logs[0].parent}")

    def start(number: int) -> None:
        text, job = todo[number]
        console.print(text)
        if rerun:
            shutil.rmtree(job.folder, ignore_errors=True)

    lines = [job.dumps() for _, job in todo]
    failed = []
    with closing(run_processes(MODULE, lines, execution, logs, start)) as ended:
        for number, code in ended:
            text, job = todo[number]
            if code != 0:
                failed.append(job)
            if execution.executor is not None:
                console.print(f"{text}: {outcome(code)}")
    return failed


def outcome(code: int | None) -> str:
    """Returns how a process has ended as text."""
    if code is None:
        return "killed"
    return "done" if code == 0 else f"failed with exit code {code}"
