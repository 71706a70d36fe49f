"""A race of two systems: they train and evaluate in turns, so that disturbances affect both."""

import random
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.runs.environments import interpreter
from soil_bench.runs.guest import Guest, GuestError
from soil_bench.runs.results import Record
from soil_bench.systems.contestants import System
from soil_bench.systems.problem import Array, Problem
from soil_pyg.ranking.evaluator import Evaluator

WORKER = "soil_bench.systems.worker"
SETUP_SECONDS = 600.0
"""The time to import a system and to prepare its data."""


@dataclass
class Race:
    """Runs systems on a problem.

    Args:
        problem (Problem): The problem.
        data (HeteroData): The data that it was made from, for the evaluator.
        folder (Path): The folder for what the systems exchange, print and find.
        environments (Path): The folder of the environments.
        seconds (float): The time for one epoch or one evaluation.
        advance (callable): Called with a text before each turn.
    """

    problem: Problem
    data: HeteroData
    folder: Path
    environments: Path
    seconds: float
    advance: Callable[[str], None] = lambda text: None

    def run(self, systems: list[System]) -> dict[str, Record]:
        """Returns the result of each system: median times, and the metrics of its embeddings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.problem.save(self.folder)
        generator = random.Random(self.problem.settings.seed)
        results: dict[str, Record] = {
            system.name: {"status": "ok", "note": system.note, "turns": []} for system in systems
        }
        with ExitStack() as stack:
            guests: dict[str, Guest] = {}
            for system in systems:
                self.advance(f"{system.name}: preparing")
                guests[system.name] = stack.enter_context(self._guest(system))
                self._turn(results[system.name], guests[system.name], self._job(system))
            active = [name for name in guests if results[name]["status"] == "ok"]
            while active:
                generator.shuffle(active)
                for name in active:
                    turns = results[name]["turns"]
                    self.advance(f"{name}: turn {len(turns)}")
                    self._turn(results[name], guests[name], {})
                active = [name for name in active if _goes_on(results[name])]
        for system in systems:
            result = results[system.name]
            if result["status"] == "ok":
                result |= self._summary(result, self.folder / f"{system.adapter}.npz")
            del result["turns"]
        return results

    def _guest(self, system: System) -> Guest:
        name = system.environment
        python = Path(sys.executable) if name is None else interpreter(name, self.environments)
        return Guest(python, WORKER, self.folder / f"{system.adapter}.log")

    def _job(self, system: System) -> dict[str, Any]:
        result = str(self.folder / f"{system.adapter}.npz")
        return {"adapter": system.adapter, "folder": str(self.folder), "result": result}

    def _turn(self, result: Record, guest: Guest, message: dict[str, Any]) -> None:
        seconds = self.seconds if result["turns"] else SETUP_SECONDS
        try:
            answer = guest.ask(message, seconds)
        except GuestError as error:
            result |= {"status": "failed", "reason": str(error)}
            return
        if answer["task"] == "ready":
            result["versions"] = answer["versions"]
        result["turns"].append(answer)

    def _summary(self, result: Record, path: Path) -> Record:
        seconds = {}
        for task in ("train", "evaluate"):
            turns = [turn for turn in result["turns"] if turn["task"] == task]
            found = {clock: [turn[clock] for turn in turns] for clock in ("cpu", "wall")}
            medians = {clock: statistics.median(values) for clock, values in found.items()}
            seconds[task] = {**medians, "all": found}
        recalls = [turn.get("recall") for turn in result["turns"]]
        with np.load(path, allow_pickle=False) as file:
            metrics = evaluate(file["user_emb"], file["item_emb"], self.data)
        own = next((recall for recall in reversed(recalls) if recall is not None), None)
        return {"seconds": seconds, "metrics": metrics, "own_recall": own}


def evaluate(user_emb: Array, item_emb: Array, data: HeteroData) -> dict[str, float]:
    """Returns the metrics of embeddings on the val split."""
    tables = torch.from_numpy(user_emb), torch.from_numpy(item_emb)
    return Evaluator((20,)).evaluate(_Fixed(*tables), data, "val")


class _Fixed(torch.nn.Module):
    """A model of given embeddings."""

    def __init__(self, user_emb: Tensor, item_emb: Tensor) -> None:
        super().__init__()
        self.tables = user_emb, item_emb

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return self.tables


def _goes_on(result: Record) -> bool:
    return bool(result["status"] == "ok" and result["turns"][-1]["task"] != "end")
