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
            found = {"pss": 0.0, "rss": 0.0}
            for number in self._processes():
                text = Path(f"/proc/{number}/smaps_rollup").read_text()
                for name in found:
                    size = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE | re.IGNORECASE)
                    found[name] += int(size[1]) / 1024 if size else 0.0
            return dict(found)
        return {}

    def cpu_seconds(self) -> float | None:
        """Returns the processor time of all processes of the server so far, :obj:`None` where the
        system does not tell.
        """
        with suppress(OSError):
            stats = [Path(f"/proc/{number}/stat").read_text() for number in self._processes()]
            # The name of a process, in parentheses, may hold spaces.
            ticks = [sum(map(int, text.rpartition(")")[2].split()[11:13])) for text in stats]
            return sum(ticks) / os.sysconf("SC_CLK_TCK")
        return None

    def _processes(self) -> list[str]:
        process = self._process.pid
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [str(process), *children]
