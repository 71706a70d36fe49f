"""The roofline of a training step of SOIL: its operations and bytes at rates of this machine.

It counts the matrix products, once forward and once per gradient, the exponentials of the
contrasts, and the memory traffic of features, rows that edges gather and the optimiser's state.
Every layer reaches all nodes, the views of users only those of the batch. Elementwise work and
tables that may fit into the cache are left out. Each part takes the longer of its operations and
its traffic; the parts add up.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
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
"""Adam reads a parameter, its gradient and both moments, and writes all except the gradient."""

MATRIX_SIZE, CACHED, EDGES, COPIED = 1024, 2**18, 2**18, 2**25
"""The side of matrices and the numbers of entries with which rates are measured on a CPU."""

LARGER_ON_GPU = 8
NUM_ROWS, ROW_EDGES = 1024, 64
ROUNDS, SECONDS = 15, 4.0
Amounts = dict[str, float]


def roofline_of_step(data: HeteroData, model: SOIL, batch: Triplets) -> dict[str, Any]:
    """Returns the minimum seconds of a training step and of each of its parts, and the rates."""
    channels = model.item_embedding.embedding_dim
    return least(count(data, model, batch), measure_rates(batch.user.device.type, channels))


def count(data: HeteroData, model: SOIL, batch: Triplets) -> dict[str, Amounts]:
    """Returns the numbers of operations and bytes of each part of a training step."""
    num_items, channels = model.item_embedding.weight.size()
    num_modalities, in_channels = len(model.in_channels), sum(model.in_channels.values())
    users, positives = torch.unique(batch.user), torch.unique(batch.positive)
    # A single view is not fused.
    fused = num_modalities if num_modalities > 1 else 0
    nodes = len(users) + len(positives) + len(batch.negative)
    pairs = 2 * len(users) * len(positives) + len(positives) ** 2 + len(users) ** 2
    # Features have no gradient: one product forward, one for the weights.
    projection = 4 * num_items * in_channels * channels
    gates = 6 * num_modalities * num_items * channels**2
    to_users = int(adjacency(data, AGGREGATION).t().rowptr.diff()[users].sum())
    edges = 2 * model.propagation.num_layers * adjacency(data, USER_ITEM).col.numel()
    for modality in model.in_channels:
        edges += model.num_item_layers * adjacency(data, item_item(modality)).col.numel() + to_users
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "features": {"flop": projection + gates, "copy_bytes": 2 * FLOAT * num_items * in_channels},
        "contrasts": {"flop": 6 * channels * pairs, "exp": pairs},
        "fusion": {"flop": 6 * fused * nodes * channels**2},
        "propagation": {"gather_bytes": 2 * edges * edge_bytes(channels)},
        "Adam": {"copy_bytes": ADAM_BYTES * num_parameters},
    }


def edge_bytes(channels: int) -> int:
    """Returns the bytes that an edge reads: the row of its source, its index and its weight."""
    return FLOAT * channels + 4 + FLOAT


def measure_rates(device: str, channels: int = 64) -> Amounts:
    """Returns the median rates of this machine per second, by the names of the amounts.

    Args:
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
        channels (int, optional): The number of channels of gathered rows. (default: :obj:`64`)
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
    """Returns the rates, with that of gathering at least that of copying: adjacent rows can be read
    that fast.
    """
    return rates | {"gather_bytes": max(rates["gather_bytes"], rates["copy_bytes"])}


def least(parts: dict[str, Amounts], rates: Amounts) -> dict[str, Any]:
    """Returns the minimum seconds of all parts together, and of each."""
    timed = {}
    for name, amounts in parts.items():
        seconds = {what: amount / rates[what] for what, amount in amounts.items()}
        operations, traffic = (
            sum(seconds.get(what, 0.0) for what in names) for names in (OPERATIONS, TRAFFIC)
        )
        timed[name] = amounts | {"seconds": max(operations, traffic)}
    total = sum(part["seconds"] for part in timed.values())
    return {"seconds": total, "parts": timed, "rates": rates}


def describe(roofline: dict[str, Any]) -> str:
    """Returns the parts of the roofline and the rates as text.

    Args:
        roofline (dict[str, Any]): The result of :func:`roofline_of_step`.
    """
    parts = [f"{name} {1000 * part['seconds']:.3g}" for name, part in roofline["parts"].items()]
    names = OPERATIONS | TRAFFIC
    rates = [f"{rate / 1e9:.3g}e9 {names[what]}" for what, rate in roofline["rates"].items()]
    return (
        f"roofline of the step, ms: {', '.join(parts)}; each part takes the longer of its "
        f"operations and its bytes, at measured rates per second: {', '.join(rates)}"
    )
