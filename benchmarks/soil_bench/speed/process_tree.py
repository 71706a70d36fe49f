"""The memory of this process and of all below it."""

import os
import re
import threading
from contextlib import suppress
from pathlib import Path

from typing_extensions import Self

PROC = Path("/proc")
SAMPLE_SECONDS = 0.2
SIZES = re.compile(r"^(Pss|Rss):\s+(\d+) kB", re.MULTILINE)


class ProcessTree:
    """Samples the memory of this process and of all below it during a block, where the system tells
    it.

    Args:
        kind (str): The start of the command line of the processes that are measured one by one.
        without (str): A part of the command line of those that are not.
    """

    def __init__(self, kind: str, without: str) -> None:
        self.total_mb = 0.0
        """The largest sum of all processes, with shared pages counted once."""
        self.one_mb = 0.0
        """The largest process of the kind, with all of its pages."""
        self._kind, self._without = kind, without
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._has_ended.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self) -> None:
        """Takes a sample."""
        total = 0.0
        for process in below(os.getpid()):
            # Processes may end meanwhile.
            with suppress(OSError):
                line = (PROC / str(process) / "cmdline").read_text("utf-8", "replace")
                sizes = memory_of(process)
                total += sizes["Pss"]
                if line.startswith(self._kind) and self._without not in line:
                    self.one_mb = max(self.one_mb, sizes["Rss"])
        self.total_mb = max(self.total_mb, total)


def memory_of(process: int) -> dict[str, float]:
    """Returns the MiB of a process: :obj:`"Rss"` with all of its pages, :obj:`"Pss"` with its share
    of those that processes share. Raises :class:`OSError` where the system does not tell.
    """
    text = (PROC / str(process) / "smaps_rollup").read_text()
    return {name: int(size) / 1024 for name, size in SIZES.findall(text)}


def below(process: int) -> list[int]:
    """Returns a process and all that it and its children have started, none where the system does
    not list them.
    """
    children: dict[int, list[int]] = {}
    for status in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name of a process, in parentheses, may hold spaces.
            parent = int(status.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found if children else []
