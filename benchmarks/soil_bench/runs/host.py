"""The side of a guest, which may have an interpreter without any package of this one."""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any


class Host:
    """The process that has started this one, see :class:`soil_bench.runs.guest.Guest`."""

    def __init__(self) -> None:
        self._answers = os.dup(1)
        os.dup2(2, 1)  # The output of libraries is not an answer.

    def hear(self) -> dict[str, Any]:
        """Returns the next message; ends this process if there is none."""
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        message: dict[str, Any] = json.loads(line)
        return message

    def tell(self, **values: Any) -> None:
        """Sends an answer of JSON values."""
        os.write(self._answers, f"{json.dumps(values)}\n".encode())

    def serve(self, work: Callable[["Host"], None]) -> int:
        """Calls a function with this host, tells it the error if there is one, and returns the exit
        code.
        """
        try:
            work(self)
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            self.tell(error=f"{type(error).__name__}: {reason}")
            return 1
        return 0


def versions_of_distributions(names: list[str]) -> dict[str, str]:
    """Returns the versions of the distributions among these that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
