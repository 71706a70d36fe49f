"""What a training step of SOIL costs at least: its operations and bytes, at rates measured here.

Counted are the products of matrices, once forward and once a gradient, the exponentials of the
contrasts, and what is read for sure: the features, the rows that edges gather, the optimiser's
state. Every layer reaches all nodes, the users' views only those of the batch. Elementwise work is
left out, and so are tables that may stay in the cache. Of each part the operations or the bytes
count, whichever take longer; the parts follow one another.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch_geometric.data import HeteroData

from soil_bench.speed.timing import time_alternately
from soil_pyg.models import SOIL
from soil_pyg.models.graphs import adjacency
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.matmul import matmul_t
from soil_pyg.typing import Triplets

FLOAT = 4
OPERATIONS = {"flop": "flop", "exp": "exponentials"}
TRAFFIC = {"gather_bytes": "bytes gathered", "copy_bytes": "bytes copied"}
ADAM_BYTES = 28
"""Adam reads a parameter, its gradient and both moments, and writes all but the gradient."""

MATRIX_SIZE, CACHED, EDGES, COPIED = 1024, 2**18, 2**18, 2**25
"""What rates are measured with on a CPU: the sides of matrices, and how many entries."""

LARGER_ON_GPU = 8
NUM_ROWS, ROW_EDGES = 1024, 64
ROUNDS, SECONDS = 15, 4.0
Amounts = dict[str, float]


def floor_of_step(data: HeteroData, model: SOIL, batch: Triplets) -> dict[str, Any]:
    """Returns the least seconds of a training step, of each of its parts, and the rates.

    Args:
        data (HeteroData): The data with its graphs.
        model (SOIL): The model of the released profile.
        batch (Triplets): The batch.
    """
    channels = model.item_embedding.embedding_dim
    return least(count(data, model, batch), measure_rates(batch.user.device.type, channels))


def count(data: HeteroData, model: SOIL, batch: Triplets) -> dict[str, Amounts]:
    """Returns how many operations and bytes each part of a training step needs.

    Args:
        data (HeteroData): The data with its graphs.
        model (SOIL): The model of the released profile.
        batch (Triplets): The batch.
    """
    num_items, channels = model.item_embedding.weight.size()
    num_modalities, in_channels = len(model.in_channels), sum(model.in_channels.values())
    users, positives = batch.user.unique(), batch.positive.unique()
    # A single view is not fused.
    fused = num_modalities if num_modalities > 1 else 0
    nodes = len(users) + len(positives) + len(batch.negative)
    pairs = 2 * len(users) * len(positives) + len(positives) ** 2 + len(users) ** 2
    # The features need no gradient: one product forward, one for the weights.
    projection = 4 * num_items * in_channels * channels
    gates = 6 * num_modalities * num_items * channels**2
    to_users = int(adjacency(data, AGGREGATION).t().rowptr.diff()[users].sum())
    edges = 2 * model.propagation.num_layers * adjacency(data, USER_ITEM).col.numel()
    for modality in model.in_channels:
        edges += model.num_item_layers * adjacency(data, item_item(modality)).col.numel() + to_users
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "features": {
            "flop": projection + gates,
            "copy_bytes": 2 * FLOAT * num_items * in_channels,
        },
        "contrasts": {"flop": 6 * channels * pairs, "exp": pairs},
        "fusion": {"flop": 6 * fused * nodes * channels**2},
        "propagation": {"gather_bytes": 2 * edges * edge_bytes(channels)},
        "Adam": {"copy_bytes": ADAM_BYTES * num_parameters},
    }


def edge_bytes(channels: int) -> int:
    """Returns what an edge reads: the row of its source, the place of that, and the weight."""
    return FLOAT * channels + 4 + FLOAT


def measure_rates(device: str, channels: int = 64) -> Amounts:
    """Returns the medians of what this machine does in a second, by the names of the amounts.

    Args:
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
        channels (int, optional): The width of the rows that are gathered. (default: :obj:`64`)
    """
    larger = 1 if device == "cpu" else LARGER_ON_GPU
    size, copied = MATRIX_SIZE * larger, COPIED * larger
    cached, edges = CACHED * larger**2, EDGES * larger**2
    matrix, squared = torch.rand(2, size, size, device=device)
    few, result = torch.rand(2, cached, device=device)
    many, copy = torch.rand(2, copied, device=device)
    rows = torch.rand(NUM_ROWS, channels, device=device)
    rowptr = torch.arange(0, edges + 1, ROW_EDGES, device=device)
    sources = torch.randint(NUM_ROWS, (edges,), device=device)
    graph = Adjacency(rowptr, sources, torch.rand(edges, device=device), NUM_ROWS)
    work: dict[str, tuple[int, Callable[[], Any]]] = {
        "flop": (2 * size**3, lambda: matmul_t(matrix, matrix, out=squared)),
        "exp": (cached, lambda: torch.exp(few, out=result)),
        "gather_bytes": (edges * edge_bytes(channels), lambda: graph.matmul(rows)),
        "copy_bytes": (2 * FLOAT * copied, lambda: copy.copy_(many)),
    }
    for _, function in work.values():
        function()
    functions = {name: function for name, (_, function) in work.items()}
    times = time_alternately(functions, ROUNDS, SECONDS, device)
    return fastest({name: amount / median(times[name]) for name, (amount, _) in work.items()})


def fastest(rates: Amounts) -> Amounts:
    """Returns the rates, with that of gathering no less than that of copying: rows that lie side by
    side could be read as fast.

    Args:
        rates (dict[str, float]): How much of each is done in a second.
    """
    return rates | {"gather_bytes": max(rates["gather_bytes"], rates["copy_bytes"])}


def least(parts: dict[str, Amounts], rates: Amounts) -> dict[str, Any]:
    """Returns the least seconds of all parts together, and of each.

    Args:
        parts (dict[str, dict[str, float]]): The amounts of each part.
        rates (dict[str, float]): How much of each is done in a second.
    """
    timed = {}
    for name, amounts in parts.items():
        seconds = {what: amount / rates[what] for what, amount in amounts.items()}
        operations, traffic = (
            sum(seconds.get(what, 0.0) for what in names) for names in (OPERATIONS, TRAFFIC)
        )
        timed[name] = amounts | {"seconds": max(operations, traffic)}
    total = sum(part["seconds"] for part in timed.values())
    return {"floor_s": total, "parts": timed, "rates": rates}


def describe(floor: dict[str, Any]) -> str:
    """Returns the parts of the floor and the rates in words.

    Args:
        floor (dict[str, Any]): The result of :func:`floor_of_step`.
    """
    parts = [f"{name} {1000 * part['seconds']:.3g}" for name, part in floor["parts"].items()]
    names = OPERATIONS | TRAFFIC
    rates = [f"{rate / 1e9:.3g}e9 {names[what]}" for what, rate in floor["rates"].items()]
    return (
        f"floor of the step, ms: {', '.join(parts)}; of each part its operations or its bytes, "
        f"whichever take longer, at the rates measured here, a second: {', '.join(rates)}"
    )


SHOWN = 8


def profile_of(step: Callable[[], Any], steps: int, device: str) -> dict[str, Any]:
    """Returns the milliseconds of a step by operation, the largest first.

    Of each operation its own time counts, without that of the operations it calls: on a GPU that
    of its kernels. What is left of the step is :obj:`"waiting"`: the device has nothing to do.

    Args:
        step (callable): Makes a step, after which the device has nothing left to do.
        steps (int): How many are made.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
    """
    activities = [ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        seconds = [step() for _ in range(steps)]
    field = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    spent: dict[str, float] = {}
    for event in profiler.key_averages():
        # Operations alone: kernels are counted with the operation that started them.
        if event.device_type == torch.autograd.DeviceType.CPU:
            spent[event.key] = getattr(event, field) / 1000 / steps
    operations = sorted((name for name in spent if spent[name] > 0), key=lambda name: -spent[name])
    whole, busy = 1000 * sum(seconds) / steps, sum(spent.values())
    return {
        "step_ms": whole,
        "waiting_ms": max(whole - busy, 0.0),
        "operations_ms": {name: spent[name] for name in operations[:SHOWN]},
        "others_ms": sum(spent[name] for name in operations[SHOWN:]),
    }


def describe_profile(profile: dict[str, Any]) -> str:
    """Returns the operations and their milliseconds in words.

    Args:
        profile (dict[str, Any]): The result of :func:`profile_of`.
    """
    parts = [f"`{name}` {ms:.3g}" for name, ms in profile["operations_ms"].items()]
    parts.append(f"others {profile['others_ms']:.3g}")
    return (
        f"profile of a step, ms of {profile['step_ms']:.3g} while it is profiled: "
        f"{', '.join(parts)}; nothing to do {profile['waiting_ms']:.3g}"
    )
