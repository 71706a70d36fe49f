"""The measured work of SOIL and of its naive implementation, each in a process of its own."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_bench.runs.results import Record
from soil_bench.speed import naive
from soil_bench.speed.inputs import (
    load_graphs,
    load_matrices,
    save_graphs,
    save_matrices,
)
from soil_bench.speed.measurement import Meter
from soil_bench.speed.roofline import roofline_of_step
from soil_bench.speed.step_profile import profile_of
from soil_bench.speed.timing import has_gpu
from soil_pyg.datasets.storage import load_data
from soil_pyg.models import SOIL
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, Triplets, modalities_of
from soil_pyg.utils.progress import blocks

OPTIONS = {"k": 10, "k_i": 10, "k_a": 2}
WARM_UP = 2
Loss = Callable[[Triplets], dict[str, Tensor]]


def build_fast(inputs: str, path: str, device: str, index: str = "auto") -> Record:
    """Measures and stores the graphs, and returns the index of each search."""
    data = load_data(inputs).to(device)
    with Meter() as meter:
        data = SOIL.graph_transform("released", index=index, **OPTIONS)(data)
    save_graphs(data, path)
    search = {
        "/".join(edge_type): data[edge_type].search
        for edge_type in data.edge_types
        if "search" in data[edge_type]
    }
    return meter.record() | {"size": size_of(data), "search": search}


def build_naive(inputs: str, path: str) -> Record:
    """Measures and stores the graphs of the naive implementation."""
    data = load_data(inputs)
    with Meter() as meter:
        matrices = naive.graphs(data, **OPTIONS)
    save_matrices(matrices, path)
    return meter.record() | {"size": size_of(data)}


def alternate_steps(
    graphs: str, steps: int, batch_size: int, device: str, naive_graphs: str | None = None
) -> Record:
    """Times training steps of both in turns on the same batches, and measures the roofline."""
    data = load_graphs(graphs).to(device)
    fast = make_fast(data, device)
    models: dict[str, torch.nn.Module] = {"fast": fast}
    if naive_graphs is not None:
        models["naive"] = naive.NaiveSOIL(load_graphs(graphs), load_matrices(naive_graphs))
    optimizers = {name: Adam(model.parameters(), fused=True) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    loader = TripletLoader(data, batch_size)
    turns = blocks(steps + WARM_UP, 1, "training steps")
    for _, batch in zip(turns, repeated(loader), strict=False):
        for name, model in models.items():
            loss = loss_of(model, data)
            seconds[name].append(step(loss, optimizers[name], batch))
    result: Record = {name: times[WARM_UP:] for name, times in seconds.items()}
    return result | {"roofline": roofline_of_step(data, fast, batch)}


def profile_steps(graphs: str, steps: int, batch_size: int, device: str) -> Record:
    """Returns the time of a training step by operation."""
    data = load_graphs(graphs).to(device)
    model = make_fast(data, device)
    optimizer = Adam(model.parameters(), fused=True)
    batches = repeated(TripletLoader(data, batch_size))
    loss = loss_of(model, data)
    for batch in islice(batches, WARM_UP):
        step(loss, optimizer, batch)
    return profile_of(lambda: step(loss, optimizer, next(batches)), steps, device)


def epoch_fast(graphs: str, batch_size: int, device: str) -> Record:
    """Times an epoch of the trainer, and the evaluation of a split."""
    data = load_graphs(graphs).to(device)
    model = make_fast(data, device)
    trainer = Trainer(epochs=1, batch_size=batch_size, accelerator=device, progress=False)
    with Meter() as meter:
        result = trainer.fit(model, data)
        start = time.perf_counter()
        Evaluator().evaluate(model, data, "val")
        validation = time.perf_counter() - start
    return meter.record() | {"train": result.seconds["train"], "evaluate": validation}


def epoch_naive(inputs: str, naive_graphs: str, batch_size: int) -> Record:
    """Times an epoch of the naive implementation, with its evaluations of both splits."""
    data = load_data(inputs)
    model = naive.NaiveSOIL(data, load_matrices(naive_graphs))
    optimizer = Adam(model.parameters())
    with Meter() as meter:
        start = time.perf_counter()
        naive.train_epoch(model, optimizer, data, random.Random(0), batch_size)
        train = time.perf_counter() - start
        for split in ("val", "test"):
            naive.evaluate(model, data, split)
        evaluations = time.perf_counter() - start - train
    return meter.record() | {"train": train, "evaluate": evaluations}


def make_fast(data: HeteroData, device: str) -> SOIL:
    """Returns the model of the released profile for the data."""
    seed_everything(0)
    sizes = {name: data[ITEM][FEATURE_PREFIX + name].size(1) for name in modalities_of(data)}
    return SOIL.released(data[USER].num_nodes, data[ITEM].num_nodes, sizes).to(device)


def loss_of(model: torch.nn.Module, data: HeteroData) -> Loss:
    """Returns the loss of either model as a function of the batch."""
    if isinstance(model, SOIL):
        return lambda batch: model.loss(data, batch)
    assert isinstance(model, naive.NaiveSOIL)
    return lambda batch: model.loss(Triplets(*(index.cpu() for index in batch)))


def step(loss: Loss, optimizer: Optimizer, batch: Triplets) -> float:
    """Returns the seconds of a training step."""
    start = time.perf_counter()
    optimizer.zero_grad()
    torch.autograd.backward(torch.stack(list(loss(batch).values())).sum())
    optimizer.step()
    if has_gpu():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def repeated(loader: TripletLoader) -> Iterator[Triplets]:
    """Yields the batches of one epoch after another."""
    while True:
        yield from loader


def size_of(data: HeteroData) -> dict[str, int]:
    """Returns the number of users, items and training interactions."""
    return {
        "users": data[USER].num_nodes,
        "items": data[ITEM].num_nodes,
        "interactions": data[INTERACTS].edge_index.size(1),
    }
