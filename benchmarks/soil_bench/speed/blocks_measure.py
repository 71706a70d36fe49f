"""Recommendations of a random run in blocks, here or by Ray, each for a process of its own."""

import hashlib
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_bench.runs.results import Record
from soil_bench.speed.measurement import Meter
from soil_bench.speed.process_tree import ProcessTree
from soil_pyg.datasets.data_folder import load_data_folder, save_data_folder
from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import compute_embeddings
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.typing import INTERACTS, ITEM, USER
from soil_pyg.utils.files import atomic_folder
from soil_pyg.workflow.parts import write_parts
from soil_pyg.workflow.recommend import find_ranking

PAIRS_PER_USER = 8
"""The pairs to draw per user, which are not recommended."""


def make_run(path: str, users: int, items: int, channels: int) -> Record:
    """Writes random data and a run with random embeddings."""
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = users, items
    user = torch.arange(users).repeat_interleave(PAIRS_PER_USER)
    item = torch.randint(items, (len(user),), generator=generator)
    data[INTERACTS].edge_index = torch.unique(torch.stack([user, item]), dim=1)
    torch.manual_seed(0)
    with Meter() as meter, atomic_folder(path) as folder:
        for name in ("data", "run"):
            (folder / name).mkdir()
        save_data_folder(folder / "data", data, None, {})
        data = load_data_folder(folder / "data")
        model = BPR(users, items, hidden_channels=channels)
        options = {"ks": [20], "metric": "recall@20", "seed": 0}
        run = TrainingRun(model, data, folder / "run", {}, options, 0)
        run.result.epochs = 1
        run.result.history.append({"epoch": 1, "loss": {}, "val": {}})
        run.keep_best(model, {})
        run.store_model(compute_embeddings(model, data), data, finished=True)
    return meter.record()


def rank(run: str, engine: str, workers: int, k: int, memory_budget: int) -> Record:
    """Recommends to all users of a run and measures it.

    Args:
        run (str): The folder that :func:`make_run` has written.
        engine (str): :obj:`"local"` or :obj:`"ray"`.
        workers (int): The threads of this process, or the processes of Ray with one thread each.
        k (int): The number of items per user.
        memory_budget (int): The bytes per block of users.
    """
    started = 0.0
    if engine == "ray":
        import ray

        begin = time.perf_counter()
        # On this machine, even if the environment names a cluster.
        ray.init("local", num_cpus=workers, logging_level="ERROR", log_to_driver=False)
        started = time.perf_counter() - begin
    else:
        torch.set_num_threads(workers)
    try:
        with TemporaryDirectory() as folder:
            out = Path(folder, "top")
            with ProcessTree("ray::", "Agent") as tree, Meter() as meter:
                ranking = find_ranking(Path(run, "run"), data=Path(run, "data"))
                number = len(ranking.blocks(k, memory_budget))
                digest = ranking.digest(k, memory_budget)
                frames = partial(ranking.frames, k, memory_budget, engine)
                write_parts(out, digest, number, frames)
                # The work may be shorter than the time between two samples.
                tree.sample()
            rows, content = _digest(out)
    finally:
        if engine == "ray":
            ray.shutdown()
    return meter.record() | {
        "start_seconds": started,
        "worker_mb": tree.one_mb,
        "total_mb": tree.total_mb,
        "blocks": number,
        "rows": rows,
        "digest": content,
    }


def _digest(out: Path) -> tuple[int, str]:
    """Returns the number of all rows and a digest of their values in order."""
    found, rows = hashlib.sha256(), 0
    for part in sorted(out.glob("*.parquet")):
        frame = pd.read_parquet(part)
        rows += len(frame)
        found.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return rows, found.hexdigest()
