"""Graphs to propagate over, and the naive product that every library must reproduce."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from soil_bench.speed import contest
from soil_bench.speed.products import Directions

NAIVE_CHANNELS = 32
"""The number of channels at a time, which bounds the memory of messages in double precision."""


@dataclass(frozen=True)
class Graph:
    """A random graph with sources of unequal popularity.

    Args:
        name (str): The name in tables.
        num_sources (int): The number of source nodes.
        num_targets (int): The number of target nodes.
        num_edges (int): The number of distinct edges, source -> target.
        channels (int): The number of channels of the features.
        both_directions (bool, optional): Whether to propagate target -> source as well.
            (default: :obj:`False`)
    """

    name: str
    num_sources: int
    num_targets: int
    num_edges: int
    channels: int
    both_directions: bool = False


ONE_EDGE = "one edge"
"""The end of the names of cases whose time is the fixed cost of a call."""
CASES = [
    Graph(f"user-item, {ONE_EDGE}", 1, 1, 1, 64, both_directions=True),
    Graph(f"user <- item, {ONE_EDGE}", 1, 1, 1, 64),
    Graph("user-item, small", 300, 500, 3_000, 64, both_directions=True),
    Graph("user <- item, small", 300, 500, 3_000, 64),
] + [
    replace(graph, channels=channels, name=f"{graph.name}, {channels} channels")
    for graph in [
        Graph("user-item, Baby", 7_050, 19_445, 150_000, 0, both_directions=True),
        Graph("user <- item, Baby", 7_050, 19_445, 150_000, 0),
        Graph("item-item, Baby", 7_050, 7_050, 1_600_000, 0),
        Graph("user-item, large", 50_000, 100_000, 1_000_000, 0, both_directions=True),
        Graph("user <- item, large", 50_000, 100_000, 1_000_000, 0),
        Graph("item-item, large", 50_000, 50_000, 1_000_000, 0),
    ]
    for channels in (64, 256)
]
QUICK_CASES = [
    Graph(f"user <- item, {ONE_EDGE}", 1, 1, 1, 8),
    Graph("user-item, tiny", 30, 50, 200, 8, both_directions=True),
    Graph("user <- item, tiny", 30, 50, 200, 8),
    Graph("item-item, tiny", 30, 30, 200, 8),
]


class Case(Directions, contest.Case):
    """A graph, features and the gradients of the results."""

    spec_class = Graph

    def __init__(self, spec: Graph, tensors: dict[str, Tensor]) -> None:
        super().__init__(spec, tensors)
        self._answers: dict[str, list[Tensor]] = {}

    def recall(self, task: str, answer: list[Any]) -> float:
        """Returns the share of entries that equal the naive product in double precision."""
        right = total = 0
        for expected, output in zip(self._expected(task), answer, strict=True):
            found = torch.as_tensor(output, device=expected.device)
            if found.size() != expected.size():
                return 0.0
            atol = 1e-5 * float(expected.abs().max())
            right += int(torch.isclose(found, expected, rtol=1e-4, atol=atol).sum())
            total += expected.numel()
        return right / total

    def _expected(self, task: str) -> list[Tensor]:
        if task not in self._answers:
            self._answers[task] = [
                naive(x.edge_index, x.edge_weight, x.x, x.size[1])
                if task == "forward"
                else naive(x.edge_index.flip([0]), x.edge_weight, x.grad, x.size[0])
                for x in self.directions
            ]
        return self._answers[task]


def naive(edge_index: Tensor, edge_weight: Tensor, x: Tensor, size: int) -> Tensor:
    """Returns the sums over edges in double precision."""
    out = x.new_empty(size, x.size(1))
    for begin in range(0, x.size(1), NAIVE_CHANNELS):
        block = slice(begin, begin + NAIVE_CHANNELS)
        message = x[:, block][edge_index[0]].double() * edge_weight.view(-1, 1)
        sums = message.new_zeros(size, message.size(1))
        out[:, block] = sums.index_add_(0, edge_index[1], message)
    return out


def tiny(spec: dict[str, Any]) -> Graph:
    """Returns the description of a tiny graph of the same kind."""
    return Graph("tiny", 30, 30, 200, 8, spec["both_directions"])


def draw(graph: Graph, seed: int, device: str = "cpu") -> Case:
    """Draws a case of these sizes on the CPU, and moves it to the device."""
    generator = torch.Generator().manual_seed(seed)
    code = torch.empty(0, dtype=torch.long)
    while code.numel() < graph.num_edges:
        popular = torch.rand(2 * graph.num_edges, generator=generator).square()
        source = (popular * graph.num_sources).long()
        target = torch.randint(graph.num_targets, source.size(), generator=generator)
        code = torch.unique(torch.cat([code, target * graph.num_sources + source]))
    code = code[torch.randperm(code.numel(), generator=generator)[: graph.num_edges]].sort()[0]
    tensors = {
        "edge_index": torch.stack([code % graph.num_sources, code // graph.num_sources]),
        "edge_weight": torch.rand(graph.num_edges, generator=generator),
    }
    if graph.both_directions:
        perm = torch.argsort(tensors["edge_index"][0], stable=True)
        tensors["reverse_index"] = tensors["edge_index"][:, perm].flip([0])
        tensors["reverse_weight"] = tensors["edge_weight"][perm]
    for name in ("x", "grad"):
        for side, size in [("source", graph.num_sources), ("target", graph.num_targets)]:
            tensors[f"{name}_{side}"] = torch.randn(size, graph.channels, generator=generator)
    return Case(graph, {name: x.to(device) for name, x in tensors.items()})
