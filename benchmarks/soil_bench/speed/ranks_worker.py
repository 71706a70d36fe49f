"""Some steps of SOIL in partitions on several processes with one thread each, as torchrun starts
them.
"""

import json
import os
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

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

BATCH_SIZE = 2048
BATCHES_PER_STEP = 2
"""The batches per step, whatever the number of processes, so that all take the same steps."""


def train(graphs: str, ranks: int, sharded: bool, num_partitions: int, steps: int | None) -> Record:
    """Trains an epoch, or some of its steps, on a number of processes and measures it."""
    with TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        training = start(ranks, [graphs, ranks, sharded, num_partitions, steps, str(result)])
        return finish(training, result)


def train_side_by_side(
    graphs: str, trainings: int, sharded: bool, num_partitions: int, steps: int | None
) -> Record:
    """Runs trainings of one process each at the same time and measures the slowest.

    They exchange nothing, so they show what the machine itself takes from processes beside each
    other.
    """
    with TemporaryDirectory() as folder:
        results = [Path(folder, f"result{place}.json") for place in range(trainings)]
        call = [graphs, 1, sharded, num_partitions, steps]
        started = [start(1, [*call, str(result)]) for result in results]
        records = list(map(finish, started, results))
        return max(records, key=lambda record: float(record["epoch_seconds"]))


def start(ranks: int, call: list[object]) -> subprocess.Popen[str]:
    """Starts the processes of a training, which call :func:`main`."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
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


def main(
    graphs: str, size: int, sharded: bool, num_partitions: int, steps: int | None, result: str
) -> None:
    """Measures the steps; the first process writes the result."""
    torch.set_num_threads(1)
    ranks = Ranks(make_fabric("cpu", "32-true", "auto", size))
    data = load_graphs(graphs)
    model = make_fast(data, "cpu")
    tables = ShardedTables(model, ranks) if sharded else None
    place = None, BATCHES_PER_STEP, ranks.rank, ranks.size
    loader = PartitionLoader(data, BATCH_SIZE, 0, num_partitions, *place)
    loss = TrainingLoss(model, partitioned=True, tables=tables)
    optimizer = RowAdam(model.parameters())
    every = loader.steps(ranks.each(loader.lane_lengths))
    some = every if steps is None else every[:steps]
    ranks.each(lambda: None)
    start, processor = time.perf_counter(), time.process_time()
    batches = islice(loader, sum(step.own for step in some))
    terms = train_epoch(ranks, loss, optimizer, batches, some, 1)
    seconds = ranks.each(lambda: time.perf_counter() - start)
    processors = ranks.each(lambda: time.process_time() - processor)
    share = sum(step.total for step in every) / sum(step.total for step in some)
    record = {
        "epoch_seconds": max(seconds) * share,
        "epoch_processor_seconds": max(processors) * share,
        "extrapolated": len(some) < len(every),
        "bytes_per_step": ranks.bytes_per_step(),
        "loss": terms,
    }
    ranks.first(lambda: Path(result).write_text(json.dumps(record), encoding="utf-8"))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
