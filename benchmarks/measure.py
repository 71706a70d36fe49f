"""Measures a function of the benchmark in a process of its own: its memory is that of it alone."""

import gc
import json
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from typing_extensions import Self

from job import INTERRUPTED, MEBIBYTE, peak_rss
from process import run_process, stop_with_parent
from soil_pyg.memory import give_back_freed

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
        give_back_freed()
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
        code = run_process(Path(__file__), json.dumps(task) + "\n", GRACE_SECONDS)
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


if __name__ == "__main__":
    sys.exit(main())
