"""Counts the operations that a function performs, whatever the model."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from soil_bench.speed.roofline import FLOAT, Amounts, edge_bytes


def _entries(x: Iterable[int], *args: Any, **options: Any) -> int:
    return math.prod(x)


def _results(*args: Any, out_shape: Iterable[int], **options: Any) -> int:
    return math.prod(out_shape)


def _gathered(table: list[int], edges: Iterable[int], *args: Any, **options: Any) -> int:
    return math.prod(edges) * edge_bytes(table[1])


def _copied(*args: Any, out_shape: Iterable[int], **options: Any) -> int:
    return FLOAT * math.prod(out_shape)


def _added(x: Any, dim: int, index: Any, rows: Iterable[int], **options: Any) -> int:
    return FLOAT * math.prod(rows)


def _added_gradient(rows: Iterable[int], *args: Any, **options: Any) -> int:
    return FLOAT * math.prod(rows)


AMOUNTS: dict[str, dict[str, Callable[..., int]]] = {
    "exp": {
        "exp": _entries,
        "exp_": _entries,
        "_softmax": _entries,
        "_log_softmax": _entries,
        "_log_softmax_backward_data": _entries,
        "log_sigmoid_forward": _entries,
        "log_sigmoid_backward": _entries,
        "logsumexp": _entries,
        "sigmoid": _entries,
        "sigmoid_": _entries,
        "softplus": _entries,
        "tanh": _entries,
    },
    "random": {
        "bernoulli": _results,
        "bernoulli_": _results,
        "normal_": _results,
        "rand_like": _results,
        "uniform_": _results,
    },
    "edge_bytes": {
        "_embedding_bag": _gathered,
        "_embedding_bag_forward_only": _gathered,
    },
    "gather_bytes": {
        "embedding": _copied,
        "gather": _copied,
        "index": _copied,
        "index_select": _copied,
        "embedding_dense_backward": _added_gradient,
        "index_add": _added,
        "index_add_": _added,
        "scatter_add_": _added,
    },
}
"""The amounts of PyTorch's operations, from the shapes of their arguments and of their result."""


def count_operations(function: Callable[[], Any]) -> Amounts:
    """Returns the numbers of operations and bytes of a call.

    :obj:`"flop"` counts matrix products and :obj:`"exp"` exponentials, :obj:`"random"` the numbers
    that are drawn, :obj:`"edge_bytes"` what edges gather, and :obj:`"gather_bytes"` the rows that
    are copied or added. Elementwise operations, sorts and reductions are left out.

    Args:
        function (callable): The function, without arguments.

    Example:
        >>> x = torch.rand(2, 3)
        >>> count_operations(lambda: (x @ x.t()).exp())
        {'flop': 24.0, 'exp': 4.0}
    """
    formulas, amount_of = {}, {}
    for name, found in AMOUNTS.items():
        for operation, formula in found.items():
            key = getattr(torch.ops.aten, operation)
            formulas[key], amount_of[key] = formula, name
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        function()
    amounts: Counter[str] = Counter()
    for operation, amount in counter.get_flop_counts().get("Global", {}).items():
        amounts[amount_of.get(operation, "flop")] += amount
    return {name: float(amount) for name, amount in amounts.items()}
