"""Contestants in environments of their own, each in a process of its interpreter."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typing_extensions import Self

from soil_bench.runs.environments import interpreter
from soil_bench.runs.guest import Guest
from soil_bench.runs.results import Record
from soil_bench.speed.timing import Remote

MODULE = "soil_bench.speed.product_guest"
SECONDS = 300.0
"""The time to answer."""


class Guests:
    """Starts each guest when it is first asked for, and ends all at the end of a :obj:`with` block.

    Args:
        folder (Path): The folder of the environments.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guests: dict[str, Guest] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def prepare(self, contestant: Any, case: Any, tiny: Any, path: Path) -> "Prepared":
        """Prepares a case.

        Args:
            contestant (Contestant): The contestant.
            case (Case): The case.
            tiny (Case): A tiny case of the same kind.
            path (Path): The file of the case.

        Raises:
            GuestError: If the guest fails.
        """
        name = contestant.name
        if name not in self._guests or self._guests[name].has_ended:
            guest = Guest(interpreter(contestant.environment, self._folder), MODULE)
            self._guests[name] = self._stack.enter_context(guest)
            self.versions[name] = guest.ask({}, SECONDS)["versions"]
        small = path.with_name("tiny.npz")
        tiny.save(small)
        job = {
            "threads": torch.get_num_threads(),
            "package": contestant.package,
            "product": contestant.make.__name__,
            "case": {"file": str(path), "spec": asdict(case.spec)},
            "tiny": {"file": str(small), "spec": asdict(tiny.spec)},
        }
        return Prepared(self._guests[name], path, self._guests[name].ask(job, SECONDS))


class Prepared:
    """A case that a guest has prepared.

    Args:
        guest (Guest): The guest.
        path (Path): A file in the folder for its answers.
        told (dict[str, Any]): What the guest has told of the preparation.
    """

    def __init__(self, guest: Guest, path: Path, told: Record) -> None:
        self._guest = guest
        self._path = path.with_name("answer.npz")
        self.prepare_ms: float = told["prepare_ms"]
        self.tasks: dict[str, Callable[[], Any]] = {
            task: Remote(partial(self._seconds, task)) for task in told["tasks"]
        }

    def answer(self, task: str) -> tuple[list[Any], float]:
        """Returns the answer to a task and its peak memory in MiB above the inputs."""
        told = self._guest.ask({"answer": task, "file": str(self._path)}, SECONDS)
        with np.load(self._path, allow_pickle=False) as file:
            return [file[name] for name in file.files], told["peak_memory_mb"]

    def _seconds(self, task: str) -> float:
        return float(self._guest.ask({"time": task}, SECONDS)["seconds"])
