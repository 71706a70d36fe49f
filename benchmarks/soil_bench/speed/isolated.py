"""Measures a function of the benchmark in a process of its own: its memory is that of it alone."""

import gc
import json
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from typing_extensions import Self

from soil_bench.runs.job import INTERRUPTED, MEBIBYTE, peak_rss
from soil_bench.runs.process import run_process, stop_with_parent
from soil_pyg.ops.ragged import trim_heap

GRACE_SECONDS = 5.0
RESET_PEAK = "5"


class Meter:
    """Measures the time and the peak memory of a block of code.

    What the process holds when the block begins, its inputs, does not count as memory above them.
    """

    def __enter__(self) -> Self:
        """Begins the block."""
        gc.collect()
        # What was freed but is still held would hide as much of what the block takes.
        trim_heap()
        # Without the right to reset the peak, only what exceeds the old one is seen.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text(RESET_PEAK)
        self._before = peak_rss()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the block."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self._seconds = time.perf_counter() - self._start
        self._peak = peak_rss()

    def record(self) -> dict[str, Any]:
        """Returns the seconds and the peak memory: of the process, above the inputs, of the GPU."""
        gpu = torch.cuda.max_memory_allocated() / MEBIBYTE if torch.cuda.is_initialized() else None
        return {
            "seconds": self._seconds,
            "peak_rss_mb": self._peak / MEBIBYTE,
            "above_inputs_mb": (self._peak - self._before) / MEBIBYTE,
            "peak_gpu_mb": gpu,
        }


def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Calls a function in a process of its own and returns its result.

    Args:
        function (str): The function, as :obj:`"module:name"`.
        arguments (dict[str, Any]): Its arguments, JSON values.

    Raises:
        RuntimeError: If the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        task = {"function": function, "arguments": arguments, "result": str(result)}
        code = run_process("soil_bench.speed.isolated", json.dumps(task) + "\n", GRACE_SECONDS)
        if code != 0:
            raise RuntimeError(f"the process of {function} ended with exit code {code}")
        return json.loads(result.read_text("utf-8"))


def main() -> int:
    """Runs the task on standard input, until it is done or who wrote it is gone."""
    task = json.loads(sys.stdin.readline())
    stop_with_parent()
    module, _, name = task["function"].partition(":")
    try:
        result = getattr(import_module(module), name)(**task["arguments"])
    except KeyboardInterrupt:
        return INTERRUPTED
    Path(task["result"]).write_text(json.dumps(result, allow_nan=False), encoding="utf-8")
    return 0


@dataclass(frozen=True)
class Task:
    """A function to call in a process of its own.

    Args:
        function (str): The function, as :obj:`"module:name"`.
        settings (dict[str, Any]): JSON values to call it with.
        needs (dict[str, Task], optional): The tasks that make the files that it reads, by the
            names of the arguments that take their paths. (default: none)
        path (Path, optional): The file that it makes, its argument :obj:`path`.
            (default: :obj:`None`)
    """

    function: str
    settings: dict[str, Any]
    needs: "dict[str, Task]" = field(default_factory=dict)
    path: Path | None = None

    def run(self) -> dict[str, Any]:
        """Calls the function and returns its result; files that it needs are made if missing.

        Raises:
            RuntimeError: If a process fails.
        """
        for need in self.needs.values():
            if need.path is not None and not need.path.exists():
                need.run()
        paths = {name: str(need.path) for name, need in self.needs.items()}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            paths["path"] = str(self.path)
        return measure(self.function, self.settings | paths)


if __name__ == "__main__":
    sys.exit(main())
