"""Private names of other libraries, each looked up once, with a public way where one is missing."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor


def _lookup(module: str, path: str) -> Any:
    # The attribute of a module at a dotted path, None if a part of it is missing.
    try:
        value: Any = import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
    except (ImportError, AttributeError):
        return None
    return value


_peek_interpreter_stack = _lookup("torch", "_C._functorch.peek_interpreter_stack")
_knows_level = _lookup("torch.autograd.forward_ad", "_current_level") is not None

linear_pointwise: Callable[..., Tensor] | None = _lookup("torch", "ops.mkldnn._linear_pointwise")
"""oneDNN's product of a matrix and a transposed one, :obj:`None` in a torch without it."""


class _NoAction(argparse.Action):
    """Stands in for an action that argparse does not name."""


class _UnnamedError(RuntimeError):
    """Stands in for an error that torch does not name."""


BackendCompilerFailed: type[Exception] = (
    _lookup("torch._dynamo.exc", "BackendCompilerFailed") or _UnnamedError
)
"""The error of a compiler that :func:`torch.compile` calls. Where torch does not name it, its error
surfaces as it is.
"""

AppendAction: type[argparse.Action] = _lookup("argparse", "_AppendAction") or _NoAction
"""The action of a flag that may occur several times. Where :mod:`argparse` does not name it, each
flag may occur once.
"""


def is_transformed() -> bool:
    """Returns whether :mod:`torch.func` or forward-mode differentiation transforms what is called.

    :obj:`True` where torch does not say so, as operators without a rule must be avoided then.
    """
    if _peek_interpreter_stack is None or not _knows_level:
        return True
    level: int = torch.autograd.forward_ad._current_level
    return level >= 0 or _peek_interpreter_stack() is not None


def version_of(x: Tensor) -> int | None:
    """Returns the number of changes in place of a tensor, :obj:`None` where torch does not count
    them.
    """
    try:
        return int(x._version)
    except (AttributeError, RuntimeError):
        return None


def has_transpose(edge_index: Any) -> bool:
    """Returns whether an :class:`~torch_geometric.EdgeIndex` has cached its other direction,
    :obj:`False` where PyG does not say so.
    """
    return getattr(edge_index, "_T_perm", None) is not None


def metric_values(metric: Any, ranking: Any) -> Tensor:
    """Returns the value of a PyG metric for each ranked list.

    The ranking holds lists of shape :obj:`[num_lists, k]` and the pairs of a list and a relevant
    item; each list has at least one.
    """
    values: Tensor
    if hasattr(metric, "_compute"):
        values = metric._compute(ranking)
        return values
    # The public mean of one list is the value of that list.
    means = []
    owner, item = ranking.edge_label_index
    for row, ranked in enumerate(ranking.pred_index_mat):
        relevant = item[owner == row]
        metric.reset()
        metric.update(ranked.unsqueeze(0), torch.stack([torch.zeros_like(relevant), relevant]))
        means.append(metric.compute())
    metric.reset()
    return torch.stack(means)


def sparse_rows(grad: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the rows of a sparse COO gradient, which are distinct, and their values."""
    if not (hasattr(grad, "_indices") and hasattr(grad, "_values")):
        grad = grad.coalesce()
        return grad.indices()[0], grad.values()
    return grad._indices()[0], grad._values()


def parser_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Returns the actions of a parser, none where :mod:`argparse` does not list them."""
    actions: list[argparse.Action] = getattr(parser, "_actions", [])
    return actions


def silence_ray() -> None:
    """Keeps messages of Ray, such as that a worker has ended, off the standard output, which is for
    the tables of commands. Where Ray does not say how, they are printed.
    """
    if (worker := sys.modules.get("ray._private.worker")) is not None:
        vars(worker)["_worker_logs_enabled"] = False
