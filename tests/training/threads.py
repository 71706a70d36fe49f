"""Processes that train together, as threads of one process."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


class Threads:
    """Calls functions by rank, whose collectives exchange what the threads give."""

    def __init__(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.size = size
        self._barrier = threading.Barrier(size, timeout=20)
        self._given: list[Any] = [None] * size
        self._local = threading.local()
        for function in (
            *(self.all_gather, self.all_gather_object, self.all_reduce),
            *(self.all_to_all_single, self.broadcast),
            *(self.get_rank, self.get_world_size),
        ):
            monkeypatch.setattr(dist, function.__name__, function)

    def run(self, function: Callable[[int], T]) -> list[T]:
        """Returns the results of a function by rank."""
        results: list[Any] = [None] * self.size
        errors: list[Exception] = []

        def call(rank: int) -> None:
            self._local.rank = rank
            try:
                results[rank] = function(rank)
            except Exception as error:
                errors.append(error)
                self._barrier.abort()

        threads = [threading.Thread(target=call, args=(rank,)) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results

    def exchange(self, value: Any) -> list[Any]:
        """Returns what all ranks give."""
        self._given[self._local.rank] = value
        self._barrier.wait()
        given = list(self._given)
        self._barrier.wait()
        return given

    def get_rank(self) -> int:
        return int(self._local.rank)

    def get_world_size(self) -> int:
        return self.size

    def all_gather(self, out: list[Tensor], x: Tensor) -> None:
        for found, given in zip(out, self.exchange(x.clone()), strict=True):
            found.copy_(given)

    def all_gather_object(self, out: list[Any], value: Any) -> None:
        out[:] = self.exchange(value)

    def all_to_all_single(
        self, out: Tensor, x: Tensor, received: Any = None, sent: Any = None
    ) -> None:
        parts = x.chunk(self.size) if sent is None else x.split(sent)
        found = [given[self._local.rank] for given in self.exchange(parts)]
        assert received is None or [len(part) for part in found] == received
        out.copy_(torch.cat(found))

    def all_reduce(
        self, x: Tensor, op: Any = dist.ReduceOp.SUM, async_op: bool = False
    ) -> SimpleNamespace:
        given = torch.stack(self.exchange(x.clone()))
        x.copy_(given.amax(dim=0) if op == dist.ReduceOp.MAX else given.sum(dim=0))
        return SimpleNamespace(wait=lambda: None)

    def broadcast(self, x: Tensor, source: int) -> None:
        x.copy_(self.exchange(x.clone())[source])
