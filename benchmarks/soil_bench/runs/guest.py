"""A process of another interpreter, which answers messages."""

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

from typing_extensions import Self

import soil_pyg

ROOTS = [Path(__file__).parents[2], Path(next(iter(soil_pyg.__path__))).parent]
"""The folders of both packages, which need not be installed in the environment of a guest."""


class GuestError(RuntimeError):
    """A guest has failed, or has taken too long to answer."""


class Guest:
    """Runs a module by an interpreter as long as a :obj:`with` block, and exchanges messages of one
    line of JSON each, see :class:`soil_bench.runs.host.Host`.

    Args:
        python (Path): The interpreter.
        module (str): The module.
        log (Path, optional): The file for what the guest prints.
            (default: the standard error of this process)
    """

    def __init__(self, python: Path, module: str, log: Path | None = None) -> None:
        self._command = [str(python), "-W", "ignore", "-m", module]
        self._log = log

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))}
        log = None if self._log is None else self._log.open("ab")
        try:
            # In a session of its own, so that Ctrl-C does not reach it.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def has_ended(self) -> bool:
        """Returns whether its process has ended."""
        return self._process.poll() is not None

    def ask(self, message: dict[str, Any], seconds: float | None = None) -> dict[str, Any]:
        """Sends a message and returns the answer.

        Args:
            message (dict[str, Any]): JSON values.
            seconds (float, optional): The time to wait for the answer. (default: any)

        Raises:
            GuestError: If the guest has failed, has ended or does not answer in time.
        """
        pipe, answers = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert answers is not None
        try:
            pipe.write(f"{json.dumps(message)}\n".encode())
            pipe.flush()
        except BrokenPipeError:
            raise GuestError(f"its process ended with code {self._process.wait()}") from None
        if not select.select([answers], [], [], seconds)[0]:
            raise GuestError(f"no answer within {seconds:g} s")
        line = answers.readline()
        if not line:
            raise GuestError(f"its process ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise GuestError(answer["error"])
        return answer
