"""The server in processes of its own, and their memory."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from typing_extensions import Self

from soil_bench.runs.results import Record
from soil_bench.speed.process_tree import below, memory_of
from soil_pyg.cli.errors import FailureError

STOP_SECONDS = 60


class Server:
    """A running ``soil-pyg serve`` on a free port, used as a context.

    Args:
        run (Path): The folder of the run, or a link to it.
        workers (int): The number of workers.

    Raises:
        FailureError: If it does not start.
    """

    def __init__(self, run: Path, workers: int) -> None:
        flags = ["--port", "0", "--workers", str(workers), "--poll-seconds", "0.5"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soil_pyg.cli", "serve", str(run), *flags],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        lines = []
        for line in iter(self._process.stderr.readline, ""):
            lines.append(line.strip())
            if found := re.search(r"http://127\.0\.0\.1:(\d+) by", line):
                self.port = int(found[1])
                return
        raise FailureError(f"the server has not started: {' '.join(lines)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def memory(self) -> Record:
        """Returns the memory in MB of all processes of the server, shared pages counted once
        (:obj:`"pss"`) or per process (:obj:`"rss"`); empty where the system does not tell.
        """
        with suppress(OSError):
            if sizes := [memory_of(process) for process in below(self._process.pid)]:
                return {name.lower(): sum(size[name] for size in sizes) for name in ("Pss", "Rss")}
        return {}

    def cpu_seconds(self) -> float | None:
        """Returns the processor time of all processes of the server so far, :obj:`None` where the
        system does not tell.
        """
        with suppress(OSError):
            processes = below(self._process.pid)
            stats = [Path(f"/proc/{process}/stat").read_text() for process in processes]
            # The name of a process, in parentheses, may hold spaces.
            ticks = [sum(map(int, text.rpartition(")")[2].split()[11:13])) for text in stats]
            return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None
        return None
