"""Some steps of SOIL in partitions on several processes with one thread each, as torchrun starts
them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch

from soil_bench.runs.results import Record
from soil_bench.speed.inputs import load_graphs
from soil_bench.speed.workloads import make_fast
from soil_pyg.cli.errors import FailureError
from soil_pyg.training.epoch import train_epoch
from soil_pyg.training.make_fabric import make_fabric
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.row_adam import RowAdam
from soil_pyg.training.sharded_tables import ShardedTables
from soil_pyg.training.training_loss import TrainingLoss

T = TypeVar("T")
BATCH_SIZE = 2048


def train(graphs: str, ranks: int, **settings: Any) -> Record:
    """Trains an epoch, or some of its steps, on a number of processes and measures it. The settings
    are those of :func:`main`.
    """
    with TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        call = {"graphs": graphs, "ranks": ranks, "result": str(result), **settings}
        return finish(start(call), result)


def train_side_by_side(graphs: str, trainings: int, **settings: Any) -> Record:
    """Runs trainings of one process each at the same time and measures the slowest.

    They exchange nothing, so they show what the machine itself takes from processes beside each
    other.
    """
    with TemporaryDirectory() as folder:
        results = [Path(folder, f"result{place}.json") for place in range(trainings)]
        call = {"graphs": graphs, "ranks": 1, **settings}
        started = [start(call | {"result": str(result)}) for result in results]
        records = list(map(finish, started, results))
        return max(records, key=lambda record: float(record["epoch_seconds"]))


def start(call: dict[str, Any]) -> subprocess.Popen[str]:
    """Starts the processes of a training, which call :func:`main`."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(call["ranks"])]
    command = [sys.executable, "-m", *launcher, "-m", __name__, json.dumps(call)]
    found = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(found), "OMP_NUM_THREADS": "1"}
    nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(command, env=env, stdout=nowhere, stderr=pipe, text=True)


def finish(training: subprocess.Popen[str], result: Path) -> Record:
    """Waits for a training and returns its result.

    Raises:
        FailureError: If the training fails.
    """
    _, errors = training.communicate()
    if training.returncode != 0:
        raise FailureError(f"a training failed: {errors.strip()[-1000:]}")
    record: Record = json.loads(result.read_text("utf-8"))
    return record


class Clocked(Iterator[T]):
    """Yields what an iterator yields, and measures how long each takes."""

    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator = iterator
        self._seconds: list[float] = []

    def __next__(self) -> T:
        start = time.perf_counter()
        found = next(self._iterator)
        self._seconds.append(time.perf_counter() - start)
        return found

    def once(self) -> float:
        """Returns the seconds by which the first one takes longer than any other: an epoch has this
        work once.
        """
        first, *others = self._seconds or [0.0]
        return max(0.0, first - max(others, default=first))


def main(
    graphs: str,
    ranks: int,
    sharded: bool,
    num_partitions: int,
    batches_per_step: int,
    steps: int | None,
    result: str,
) -> None:
    """Measures the steps; the first process writes the result."""
    torch.set_num_threads(1)
    processes = Ranks(make_fabric("cpu", "32-true", "auto", ranks))
    data = load_graphs(graphs)
    model = make_fast(data, "cpu")
    tables = ShardedTables(model, processes) if sharded else None
    place = None, batches_per_step, processes.rank, processes.size
    loader = PartitionLoader(data, BATCH_SIZE, 0, num_partitions, *place)
    loss = TrainingLoss(model, partitioned=True, tables=tables)
    optimizer = RowAdam(model.parameters())
    every = loader.steps(processes.each(loader.lane_lengths))
    some = every if steps is None else every[:steps]
    processes.each(lambda: None)
    start, processor = time.perf_counter(), time.process_time()
    batches = Clocked(islice(loader, sum(step.own for step in some)))
    terms = train_epoch(processes, loss, optimizer, batches, some, 1)
    clocks = time.perf_counter() - start, time.process_time() - processor
    share = sum(step.total for step in every) / sum(step.total for step in some)
    once = batches.once()
    own = [once + (seconds - once) * share for seconds in clocks]
    epochs = zip(*processes.each(lambda: own), strict=True)
    wall, processor = map(max, epochs)
    record = {
        "epoch_seconds": wall,
        "epoch_processor_seconds": processor,
        "extrapolated": len(some) < len(every),
        "bytes_per_step": processes.bytes_per_step(),
        "loss": terms,
    }
    processes.first(lambda: Path(result).write_text(json.dumps(record), encoding="utf-8"))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
