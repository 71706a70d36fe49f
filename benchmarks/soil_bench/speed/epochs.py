"""The measured epochs of SOIL: whole ones, a few steps, and a few partitions."""

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from itertools import islice, pairwise

import torch
from lightning_fabric import Fabric
from torch.optim import Adam
from torch_geometric.data import HeteroData

from soil_bench.runs.results import Record
from soil_bench.speed.inputs import load_graphs
from soil_bench.speed.measurement import Meter
from soil_bench.speed.timing import synchronise
from soil_bench.speed.workloads import WARM_UP, make_fast
from soil_pyg.models import SOIL
from soil_pyg.training.batches_per_step import batches_per_step
from soil_pyg.training.epoch import train_epoch
from soil_pyg.training.partition_loader import PartitionLoader, Step, group_sizes
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.row_adam import RowAdam
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS, Triplets


def train(graphs: str, steps: int | None, batch_size: int, device: str) -> Record:
    """Measures the training steps of an epoch with the default options: all, or a few."""
    data = load_graphs(graphs).to(device)
    loader = TripletLoader(data, batch_size)
    size = batches_per_step(
        Trainer(batch_size=batch_size).result_options(), SOIL, data[INTERACTS].edge_index.size(1)
    )
    total = -(-len(loader) // size)
    warm_up = WARM_UP if size == 1 else 1
    is_whole = steps is None or steps + warm_up >= total
    count = total if steps is None or is_whole else steps + warm_up
    num_batches = len(loader) if is_whole else count * size
    with Meter() as meter:
        batches = ((data, batch) for batch in islice(loader, num_batches))
        model = make_fast(data, device)
        seconds = train_on(model, batches, num_batches, device, batches_per_step=size)
    times = [sum(group) for group in even_groups(seconds, count)]
    timed = times if is_whole else times[warm_up:]
    return meter.record() | {
        "epoch_seconds": total * sum(timed) / len(timed),
        "extrapolated": not is_whole,
        "batches": len(loader),
        "batches_per_step": size,
        "steps": timed,
    }


def train_parts(
    graphs: str, num_partitions: int, parts: int, batch_size: int, device: str
) -> Record:
    """Measures the training on some partitions of an epoch."""
    data = load_graphs(graphs)
    loader = PartitionLoader(
        data, batch_size, num_partitions=num_partitions, device=torch.device(device)
    )
    part_of_step: list[int] = []

    def batches() -> Iterable[tuple[HeteroData, Triplets]]:
        for number, data, batch in first_parts(loader, parts):
            part_of_step.append(number)
            yield data, batch

    with Meter() as meter:
        seconds = train_on(make_fast(data, device), batches(), len(loader), device, parts=True)
    parts = min(parts, num_partitions)
    # The work before the first partition is done once per epoch.
    second = part_of_step.index(1) if parts > 1 else 0
    once = max(0.0, seconds[0] - seconds[second])
    return meter.record() | {
        "epoch_seconds": once + (sum(seconds) - once) * num_partitions / parts,
        "extrapolated": parts < num_partitions,
        "parts": num_partitions,
        "steps": seconds,
    }


def train_on(
    model: SOIL,
    batches: Iterable[tuple[HeteroData, Triplets]],
    num_batches: int,
    device: str,
    parts: bool = False,
    batches_per_step: int = 1,
) -> list[float]:
    """Trains like the trainer and returns the seconds of each batch, including its loading."""
    optimizer = RowAdam(model.parameters()) if parts else Adam(model.parameters(), fused=True)
    times = [time.perf_counter()]

    def timed() -> Generator[tuple[HeteroData, Triplets], None, None]:
        for item in batches:
            try:
                yield item
            finally:
                synchronise(device)
                times.append(time.perf_counter())

    ranks = Ranks(Fabric(accelerator=device, devices=1))
    loss = TrainingLoss(model, parts)
    steps = [Step(size, size) for size in group_sizes(num_batches, batches_per_step)]
    # The last batch ends when it is closed: no further one is asked for.
    with closing(timed()) as items:
        train_epoch(ranks, loss, optimizer, items, steps, 1)
    return [after - before for before, after in pairwise(times)]


def even_groups(values: list[float], count: int) -> list[list[float]]:
    """Returns the values in groups of consecutive ones, of sizes as even as possible."""
    ends = [len(values) * number // count for number in range(count + 1)]
    return [values[begin:end] for begin, end in pairwise(ends)]


def first_parts(loader: PartitionLoader, count: int) -> Iterable[tuple[int, HeteroData, Triplets]]:
    """Yields the batches of the first partitions, each with the number of its partition."""
    part, number = None, -1
    for data, batch in loader:
        if data is not part:
            part, number = data, number + 1
        if number == count:
            return
        yield number, data, batch
