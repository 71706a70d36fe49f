"""Measurements, each in a process of its own: its memory is that of the measurement alone."""

import gc
import json
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from typing_extensions import Self

from soil_bench.runs.process import MEBIBYTE, peak_rss, run_process
from soil_bench.runs.results import Record
from soil_bench.speed.timing import has_gpu
from soil_pyg.cli.errors import FailureError
from soil_pyg.ops.ragged import trim_heap

MODULE = "soil_bench.speed.measurement"
"""The module of a measurement's process."""
GRACE_SECONDS = 5.0
RESET_PEAK = "5"


@dataclass(frozen=True)
class Measurement:
    """A call of a function in a process of its own.

    Args:
        function (str): The function, as :obj:`"module:name"`.
        settings (dict[str, Any]): Its arguments, as JSON values.
        needs (dict[str, Measurement], optional): The measurements that write the files it reads,
            by the arguments that take their paths. (default: none)
        path (Path, optional): The file that it writes, its argument :obj:`path`.
            (default: :obj:`None`)
    """

    function: str
    settings: dict[str, Any]
    needs: "dict[str, Measurement]" = field(default_factory=dict)
    path: Path | None = None

    def run(self) -> Record:
        """Calls the function and returns its result, after creating missing files that it reads.

        Raises:
            FailureError: If a process fails.
        """
        for need in self.needs.values():
            if need.path is not None and not need.path.exists():
                need.run()
        paths = {name: str(need.path) for name, need in self.needs.items()}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            paths["path"] = str(self.path)
        return call_isolated(self.function, self.settings | paths)


class Meter:
    """Measures the time and the peak memory of a block of code.

    The memory of the process at the beginning of the block holds its inputs.
    """

    def __enter__(self) -> Self:
        """Begins the block."""
        gc.collect()
        # Memory that was freed but not returned would hide allocations of the block.
        trim_heap()
        # If the peak cannot be reset, only memory above the old peak is measured.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text(RESET_PEAK)
        self._before = peak_rss()
        if has_gpu():
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the block."""
        if has_gpu():
            torch.cuda.synchronize()
        self._seconds = time.perf_counter() - self._start
        self._peak = peak_rss()

    def record(self) -> Record:
        """Returns the seconds, and the peak MiB of the process, above the inputs and of the GPU."""
        gpu = torch.cuda.max_memory_allocated() / MEBIBYTE if has_gpu() else None
        return {
            "seconds": self._seconds,
            "peak_rss_mb": self._peak / MEBIBYTE,
            "above_inputs_mb": (self._peak - self._before) / MEBIBYTE,
            "peak_gpu_mb": gpu,
        }


def call_isolated(function: str, arguments: dict[str, Any]) -> Record:
    """Calls a function in a process of its own and returns its result.

    Args:
        function (str): The function, as :obj:`"module:name"`.
        arguments (dict[str, Any]): Its arguments, as JSON values.

    Raises:
        FailureError: If the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        call = {"function": function, "arguments": arguments, "result": str(result)}
        code = run_process(MODULE, json.dumps(call) + "\n", GRACE_SECONDS)
        if code != 0:
            raise FailureError(f"the process of {function} ended with exit code {code}")
        found: Record = json.loads(result.read_text("utf-8"))
        return found


def main(line: str) -> int:
    """Makes the call in a line of JSON."""
    call = json.loads(line)
    module, _, name = call["function"].partition(":")
    result = getattr(import_module(module), name)(**call["arguments"])
    Path(call["result"]).write_text(json.dumps(result, allow_nan=False), encoding="utf-8")
    return 0
