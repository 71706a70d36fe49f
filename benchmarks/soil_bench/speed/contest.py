"""A contest of libraries: those with the right answer are timed in turns."""

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import distributions, packages_distributions, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from soil_bench.runs.environments import why_missing
from soil_bench.runs.process import MEBIBYTE
from soil_bench.runs.results import Record
from soil_bench.speed.guests import Guests
from soil_bench.speed.peak_memory import PeakMemory
from soil_bench.speed.products import Tasks
from soil_bench.speed.timing import summarise, synchronise, time_alternately, time_call


@dataclass(frozen=True)
class Contestant:
    """A library that takes part.

    Args:
        name (str): The name in tables.
        package (str): The package to import.
        make (callable): Prepares a case, given the package and the case, and returns the functions
            to time, by task.
        is_exact (bool, optional): Whether its answer must be exact.
            (default: :obj:`True`)
        devices (tuple[str, ...], optional): The supported devices.
            (default: :obj:`("cpu", "cuda")`)
        environment (str, optional): The environment of the package, in which it runs on a CPU, see
            :data:`~soil_bench.runs.environments.ENVIRONMENTS`. (default: the running one)
    """

    name: str
    package: str
    make: Callable[[Any, Any], Tasks]
    is_exact: bool = True
    devices: tuple[str, ...] = ("cpu", "cuda")
    environment: str | None = None

    def why_absent(self, device: str, environments: Path) -> str | None:
        """Returns the reason why it cannot take part, or :obj:`None`.

        Args:
            device (str): :obj:`"cpu"` or :obj:`"cuda"`.
            environments (Path): The folder of the environments.
        """
        if device not in self.devices or (self.environment is not None and device != "cpu"):
            return f"does not run on {device}"
        if self.environment is not None:
            return why_missing(self.environment, environments)
        try:
            import_module(self.package)
        except ModuleNotFoundError as error:
            top = self.package.partition(".")[0]
            return "not installed" if error.name == top else f"its import fails: {error}"
        except Exception as error:  # A library built for another torch may raise anything.
            reason = (str(error).splitlines() or [""])[0]
            return f"its import fails: {type(error).__name__}: {reason}"
        return None


class Case:
    """The same inputs for all contestants.

    Args:
        spec (dataclass): The description of the inputs, with a :obj:`name`.
        tensors (dict[str, Tensor]): The inputs.
    """

    spec_class: type

    def __init__(self, spec: Any, tensors: dict[str, Tensor]) -> None:
        self.spec = spec
        self.tensors = tensors

    def recall(self, task: str, answer: Any) -> float:
        """Returns the share of the answer that is right."""
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Writes the inputs to a file."""
        arrays: dict[str, Any] = {name: x.cpu().numpy() for name, x in self.tensors.items()}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, spec: dict[str, Any], path: Path) -> Self:
        """Returns the case of a file."""
        with np.load(path, allow_pickle=False) as file:
            tensors = {name: torch.from_numpy(file[name]) for name in file.files}
        return cls(cls.spec_class(**spec), tensors)


class Part(Protocol):
    """A module with contestants and their cases."""

    __name__: str
    CONTESTANTS: list[Contestant]
    CASES: list[Any]
    QUICK_CASES: list[Any]
    draw: Callable[..., Any]
    tiny: Callable[..., Any]


@dataclass
class Contest:
    """Runs cases.

    Args:
        memory (PeakMemory): The measurement of memory on a CPU.
        guests (Guests): The contestants in environments of their own.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
        rounds (int): The maximum number of timings per contestant.
        seconds (float): The time per task for all contestants.
        seed (int): The seed of the order.
        advance (callable): Called with a text before each step.
    """

    memory: PeakMemory
    guests: Guests
    device: str
    rounds: int
    seconds: float
    seed: int
    advance: Callable[[str], None] = field(default=lambda text: None)

    def run(self, part: Part, contestants: list[Contestant], case: Case) -> list[Record]:
        """Returns the result of each contestant."""
        results, made = {}, {}
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns that sparse tensors are in beta.
            path = Path(folder, "case.npz")
            if self.device == "cpu":
                case.save(path)
            for contestant in contestants:
                self.advance(f"{case.spec.name}: checking {contestant.name}")
                name = contestant.name
                results[name], made[name] = self._check(part, contestant, case, path)
        right = {name: made[name] for name in made if results[name]["status"] == "ok"}
        self.advance(f"{case.spec.name}: timing")
        exact = {contestant.name for contestant in contestants if contestant.is_exact}
        for task in next(iter(right.values()), {}):
            functions = {name: tasks[task] for name, tasks in right.items()}
            times = time_alternately(functions, self.rounds, self.seconds, self.device, self.seed)
            summaries = {name: summarise(calls) for name, calls in times.items()}
            best = min((s["median_ms"] for n, s in summaries.items() if n in exact), default=None)
            for name, summary in summaries.items():
                ratio = None if best is None else summary["median_ms"] / best
                results[name]["tasks"][task].update(summary, ratio=ratio)
        return [{"name": name, **result} for name, result in results.items()]

    def _check(
        self, part: Part, contestant: Contestant, case: Case, path: Path
    ) -> tuple[Record, Tasks]:
        result: Record = {"status": "ok", "exact": contestant.is_exact, "tasks": {}}
        made: Tasks = {}
        try:
            if contestant.environment is not None:
                tiny = part.draw(part.tiny(asdict(case.spec)), self.seed)
                guest = self.guests.prepare(contestant, case, tiny, path)
                made = guest.tasks
                result["prepare_ms"] = guest.prepare_ms
                result["versions"] = self.guests.versions[contestant.name]
                for task in made:
                    self._note(result, case, task, *guest.answer(task))
                return result, made
            job = {"module": part.__name__, "contestant": contestant.name, "file": str(path)}
            peaks = {}
            if self.device == "cpu":
                peaks = self.memory.measure({**job, "spec": asdict(case.spec)})
            before = self._start_of_gpu_memory()
            library = import_module(contestant.package)
            seconds, made = time_call(lambda: contestant.make(library, case), self.device)
            result["prepare_ms"] = 1000 * seconds
            for task, function in made.items():
                answer = function()
                synchronise(self.device)
                if self.device == "cuda":
                    peaks[task] = (torch.cuda.max_memory_allocated() - before) / MEBIBYTE
                self._note(result, case, task, answer, peaks.get(task))
        except Exception as error:  # A library that fails must not end the comparison.
            reason = (str(error).splitlines() or [""])[0]
            result |= {"status": "failed", "reason": f"{type(error).__name__}: {reason}"}
        return result, made

    def _note(self, result: Record, case: Case, task: str, answer: Any, peak: float | None) -> None:
        recall = case.recall(task, answer)
        result["tasks"][task] = {"recall": recall, "peak_memory_mb": peak}
        if recall < 1 and result["exact"]:
            result |= {"status": "wrong", "reason": f"{task}: {recall:.4f} correct"}

    def _start_of_gpu_memory(self) -> int:
        if self.device != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()


def versions_of(packages: set[str]) -> dict[str, str]:
    """Returns the versions of packages by the names of their distributions."""
    tops = sorted({package.partition(".")[0] for package in packages})
    names = [name for top in tops for name in distributions_of(top)]
    return {name.replace("-", "_"): version(name) for name in names}


@cache
def distributions_of(package: str) -> list[str]:
    """Returns the distributions that provide a package, none if it is not installed."""
    found = packages_distributions().get(package)
    if found is not None:
        return found
    # Python 3.10 knows only distributions that list their packages.
    return [
        distribution.metadata["Name"]
        for distribution in distributions()
        if any(file.parts[0] == package for file in distribution.files or ())
    ]
