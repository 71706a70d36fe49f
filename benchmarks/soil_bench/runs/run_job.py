"""The process of a training run: its peak memory is that of the run alone."""

import json
import time
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.process import MEBIBYTE, peak_rss
from soil_bench.runs.results import append_record, machine_and_date
from soil_pyg.datasets import (
    Amazon,
    MovieLens,
    MultimodalDataset,
    SyntheticMultimodal,
    TikTok,
)
from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.records import DamagedFileError, check_regular
from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer


def load_data(name: str, root: str) -> HeteroData:
    """Returns a data set: the built-in one, or that of a folder, which is checked if it is public.

    Args:
        name (str): :obj:`"synthetic"`, or the name of the folder.
        root (str): The folder that holds the folder of the data set.
    """
    if name == "synthetic":
        return SyntheticMultimodal()[0]
    if name in Amazon.published:
        return Amazon(root, name)[0]
    if name in MovieLens.published:
        return MovieLens(root, name)[0]
    if name in TikTok.published:
        return TikTok(root)[0]
    return MultimodalDataset(root, name)[0]


def run(job: Job) -> None:
    """Makes the graphs, trains and tests the model, and appends the record to the results."""
    start = time.perf_counter()
    settings, seed = job.record["settings"], job.record["seed"]
    selected = ModelOptions(job.record["model"])
    trainer = build_trainer(selected, settings, seed)
    data = load_data(job.record["dataset"], job.root).to(settings["device"])

    start_graphs = time.perf_counter()
    data = selected.model_class.graph_transform(**selected.values_for("graphs", settings))(data)
    graphs = time.perf_counter() - start_graphs

    seed_everything(seed)
    model = build_model(selected, settings, data)
    before = time.perf_counter() - start
    try:
        result = trainer.fit(model, data, out=job.folder, settings=settings)
    except DamagedFileError as error:
        remedy = f"remove the folder (rm -r '{job.folder}') and repeat the command"
        raise DamagedFileError(error.path, error.reason, remedy) from error
    per_user = trainer.evaluator.evaluate_per_user(model.to("cpu"), data.to("cpu"), "test")
    save_users(job.users_file, {name: per_user[name] for name in PAIRED})
    has_gpu = settings["device"] == "cuda"
    seconds = {name: result.seconds[name] for name in ("train", "evaluate")}
    record = {
        **job.record,
        "versions": job.record["versions"] | machine_and_date(),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "val": result.val,
        "test": result.test,
        "seconds": {"graphs": graphs, **seconds, "total": before + result.seconds["total"]},
        "peak_rss_mb": peak_rss() / MEBIBYTE,
        "peak_gpu_mb": torch.cuda.max_memory_allocated() / MEBIBYTE if has_gpu else None,
    }
    append_record(job.results_file, record)


def save_users(path: Path, values: dict[str, np.ndarray]) -> None:
    """Stores metrics of every user, in the order of the users, to compare models user by user."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: x.astype(np.float32) for name, x in values.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_users(path: Path) -> dict[str, np.ndarray]:
    """Returns the metrics that :func:`save_users` has stored.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If the file is damaged.
    """
    remedy = f"remove it (rm '{path}') and repeat 'run.py' with --rerun"
    check_regular(path, remedy)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in PAIRED}
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise DamagedFileError(path, f"is damaged ({error!r:.200})", remedy) from error


def main(line: str) -> int:
    """Runs the job in a line of JSON."""
    run(Job(**json.loads(line)))
    return 0
