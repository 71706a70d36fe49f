import copy
import logging
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.data import HeteroData

from soil_pyg.nn.split_batch import gather_rows
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.held_out import held_out
from soil_pyg.training.join_processes import join_processes
from soil_pyg.typing import INTERACTS
from soil_pyg.utils._private import sparse_rows

T = TypeVar("T")

logger = logging.getLogger("soil_pyg")

NONE, DENSE = -2, -1
"""The kinds of gradients without a number of rows."""
LOST = re.compile("gloo|nccl|connection|socket|timed out", re.IGNORECASE)
"""Matches the errors of a collective whose other processes have ended."""


class Ranks:
    """The processes that train one model together, each with a rank; the first one has rank 0.

    All processes must call the same methods in the same order. On one process, every method is
    what it would be without others.

    Args:
        fabric (Fabric): Lightning Fabric, whose processes are launched if they are not yet.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.rank: int = fabric.global_rank
        self.size: int = fabric.world_size
        # Under 'fabric run', Fabric launches itself.
        if os.environ.get("LT_CLI_USED") != "1":
            with self.explained():
                join_processes(fabric)
            self.rank = fabric.global_rank
        self._sent_bytes = 0
        self._num_steps = 0

    def share(self, value: T) -> T:
        """Returns the value of rank 0."""
        return self.fabric.broadcast(value)

    def first(self, function: Callable[[], T]) -> T | None:
        """Calls a function on rank 0 while the others wait, for whom the result is :obj:`None`. An
        error is raised on all of them.
        """
        value, error = None, None
        if self.rank == 0:
            try:
                value = function()
            except Exception as raised:
                error = raised
        self._raise([self.share(None if error is None else _sendable(error))], error)
        return value

    def each(self, function: Callable[[], T]) -> list[T]:
        """Calls a function on every process and returns the results by rank. An error of one is
        raised on all of them.
        """
        value, error = None, None
        try:
            value = function()
        except Exception as raised:
            error = raised
        if self.size == 1:
            results: list[Any] = [(value, error)]
        else:
            results = [None] * self.size
            own = value, None if error is None else _sendable(error)
            dist.all_gather_object(results, own)
        self._raise([error for _, error in results], error)
        return [value for value, _ in results]

    def _raise(self, errors: list[Exception | None], own: Exception | None) -> None:
        for error in (own, *errors):
            if error is not None:
                raise error

    def share_state(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        without: Container[str] = (),
    ) -> None:
        """Copies the weights of rank 0, apart from some, and the state of its optimizer to all
        processes.
        """
        if self.size == 1:
            return
        tensors = [value for name, value in model.state_dict().items() if name not in without]
        if optimizer is not None:
            states = optimizer.state_dict()
            shapes = {
                index: {name: (value.size(), value.dtype) for name, value in state.items()}
                for index, state in states["state"].items()
            }
            devices = [p.device for group in optimizer.param_groups for p in group["params"]]
            shapes = self.share(shapes)
            if self.rank > 0:
                # The optimizer moves the tensors to where it needs them.
                empty = {
                    index: {
                        name: torch.empty(size, dtype=dtype, device=devices[index])
                        for name, (size, dtype) in state.items()
                    }
                    for index, state in shapes.items()
                }
                optimizer.load_state_dict({**states, "state": empty})
            state = optimizer.state_dict()["state"]
            tensors += [state[index][name] for index in sorted(shapes) for name in shapes[index]]
        for tensor in tensors:
            # A counter of steps may be on the CPU, where not every backend sends from.
            sent = tensor.detach().to(self.fabric.device)
            dist.broadcast(sent, 0)
            tensor.detach().copy_(sent)

    def add_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Replaces the gradient of each parameter by the sum of those of all processes. Of sparse
        gradients only the rows are sent. Each row is then there once.
        """
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        if self.size == 1:
            for parameter in parameters:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    parameter.grad = parameter.grad.coalesce()
            return
        self._num_steps += 1
        own = torch.tensor([_kind(p.grad) for p in parameters], device=self.fabric.device)
        kinds = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(kinds, own)
        works = []
        for parameter, kind in zip(parameters, torch.stack(kinds, 1).tolist(), strict=True):
            if DENSE in kind:
                grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = grad.contiguous()
                self._sent_bytes += grad.numel() * grad.element_size()
                works.append(dist.all_reduce(parameter.grad, async_op=True))
            elif max(kind) != NONE:
                parameter.grad = self._add_rows(parameter, [max(rows, 0) for rows in kind])
        for work in works:
            work.wait()

    def _add_rows(self, parameter: Parameter, sizes: list[int]) -> Tensor:
        if parameter.grad is None:
            index = torch.empty(0, dtype=torch.long, device=parameter.device)
            rows = parameter.new_empty(0, *parameter.shape[1:]).detach()
        else:
            index, rows = sparse_rows(parameter.grad.coalesce())
        for tensor in (index, rows):
            self._sent_bytes += tensor.numel() * tensor.element_size()
        index, rows = gather_rows(index, sizes), gather_rows(rows, sizes)
        grad = torch.sparse_coo_tensor(
            index.unsqueeze(0), rows, parameter.size(), check_invariants=False
        )
        return grad.coalesce()

    def count_sent(self, num_bytes: int) -> None:
        """Counts what this process has sent for a step beside the gradients it adds up."""
        if self.size > 1:
            self._sent_bytes += num_bytes

    def bytes_per_step(self) -> float:
        """Returns the mean size of what this process has sent in a step."""
        return self._sent_bytes / max(1, self._num_steps)

    def log_traffic(self) -> None:
        """Logs the mean size of what this process has sent in a step."""
        if self._num_steps > 0:
            sent = f"{self.bytes_per_step():,.0f}"
            logger.info("Process %d sent %s bytes per step", self.rank, sent)

    def evaluate(
        self, evaluator: Evaluator, model: torch.nn.Module, data: HeteroData, split: str
    ) -> dict[str, float]:
        """Returns the metrics of a model, which are means over users. Each process ranks for its
        share of the users.
        """
        if self.size == 1:
            return evaluator.evaluate(model, data, split)
        label = held_out(data, split)
        own = torch.unique(label[0]).tensor_split(self.size)[self.rank]
        data = copy.copy(data)
        data[INTERACTS][f"{split}_edge_label_index"] = label[:, torch.isin(label[0], own)]
        nothing = {name: np.empty(0) for name in evaluator.names}
        parts = self.each(
            lambda: evaluator.evaluate_per_user(model, data, split) if len(own) > 0 else nothing
        )
        return {
            name: float(np.concatenate([part[name] for part in parts]).mean()) for name in nothing
        }

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raises an error that says that other processes have ended where the block loses them.

        Raises:
            ConnectionError: If the block loses another process.
        """
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not LOST.search(str(error)):
                raise
            raise ConnectionError(
                f"Process {self.rank} of {self.size} has lost another one, whose error is the "
                "cause: the same command resumes the run"
            ) from error


def is_first() -> bool:
    """Returns whether this process is the first of those that train together."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


def _kind(grad: Tensor | None) -> int:
    if grad is None:
        return NONE
    return len(sparse_rows(grad.coalesce())[0]) if grad.is_sparse else DENSE


def _sendable(error: Exception) -> Exception:
    # Without its causes and frames, and of a type that all processes know.
    kinds = (FloatingPointError, ValueError, ImportError, OSError)
    kind: type[Exception] = next((k for k in kinds if isinstance(error, k)), RuntimeError)
    return kind(str(error))
