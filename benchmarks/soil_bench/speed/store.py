"""The file of finished measurements."""

import hashlib
import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from soil_bench.runs.results import append_record, machine_and_date, versions_and_code
from soil_bench.speed.isolated import Task
from soil_pyg.models import SOIL

NAIVE_FILES = "naive*.py"


class Measurements:
    """Measures what is not measured yet, and stores each result as soon as there is one.

    Args:
        path (Path): The file, one line of JSON a measurement; it need not exist.
        console (Console): Where to say what is measured.
        rerun (bool, optional): Whether to measure again what was measured before.
            (default: :obj:`False`)

    Raises:
        ValueError: If a line of the file is not a measurement.
    """

    def __init__(self, path: Path, console: Console, rerun: bool = False) -> None:
        self.path = path
        self.failed: list[str] = []
        self.versions = versions_and_code(SOIL) | machine_and_date()
        self._console = console
        self._finished = Finished(path, rerun)
        self._codes = {"fast": self.versions["code"], "naive": code_of(NAIVE_FILES)}

    def get(
        self, task: Task, identity: dict[str, Any], sides: tuple[str, ...] = ("fast",)
    ) -> dict[str, Any] | None:
        """Returns the result of a measurement, :obj:`None` if it failed.

        Args:
            task (Task): What measures.
            identity (dict[str, Any]): JSON values that, with the function, its settings and the
                code, tell the measurement from all others.
            sides (tuple[str, ...], optional): Whose code decides the result: :obj:`"fast"`,
                :obj:`"naive"`. (default: :obj:`("fast",)`)
        """
        identity = {**identity, **task.settings}
        values = ", ".join(f"{name} {value}" for name, value in identity.items())
        name = f"{task.function.rpartition(':')[2]}: {values}"
        identity |= {
            "function": task.function,
            "threads": torch.get_num_threads(),
            "code": [self._codes[side] for side in sides],
        }
        found = self._finished.get(identity)
        if found is not None:
            self._console.print(f"{name}: measured before, not measured again")
            return found
        self._console.print(name)
        try:
            result = task.run()
        except RuntimeError as error:
            self.failed.append(f"{name}: {error}")
            return None
        self._finished.add(identity, result, self.versions)
        return result

    def end(self, work: Path) -> int:
        """Says what failed and returns the exit code; if nothing did, a folder is removed.

        Args:
            work (Path): The folder of the files that were made for measurements.
        """
        errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for failed in self.failed:
            errors.print(f"failed: {failed}")
        if not self.failed:
            shutil.rmtree(work, ignore_errors=True)
        return 1 if self.failed else 0


def code_of(*patterns: str) -> str:
    """Returns a digest of the benchmark's own files.

    Args:
        *patterns (str): Their names, or patterns of them.
    """
    files = sorted(path for pattern in patterns for path in Path(__file__).parent.glob(pattern))
    code = "".join(path.read_text("utf-8") for path in files)
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def options_of(argv: Sequence[str]) -> str:
    """Returns the options of a command that decide what it measures, as they are written.

    Args:
        argv (Sequence[str]): The arguments of the command line.

    Example:
        >>> options_of(["--steps", "3", "--out", "results", "--rerun"])
        '--steps 3'
    """
    kept, is_kept = [], True
    for word in argv:
        if word.startswith("--"):
            is_kept = word.partition("=")[0] not in ("--out", "--root", "--rerun")
        if is_kept:
            kept.append(word)
    return shlex.join(kept)


class Finished:
    """The file of finished measurements, one line of JSON each.

    Args:
        path (Path): The file, which need not exist.
        rerun (bool, optional): Whether to begin as if nothing had been measured.
            (default: :obj:`False`)

    Raises:
        ValueError: If a line of the file is not a measurement.
    """

    def __init__(self, path: Path, rerun: bool = False) -> None:
        self.path = path
        self._results = read_measurements(path)
        if rerun:
            self._results.clear()

    def get(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the result of a measurement, :obj:`None` if it is not finished.

        Args:
            identity (dict[str, Any]): JSON values that tell it from all others.
        """
        return self._results.get(_key(identity))

    def add(
        self, identity: dict[str, Any], result: dict[str, Any], versions: dict[str, Any]
    ) -> None:
        """Stores a result.

        Args:
            identity (dict[str, Any]): JSON values that tell the measurement from all others.
            result (dict[str, Any]): JSON values.
            versions (dict[str, Any]): With what it was measured, for who reads the file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_record(self.path, {"identity": identity, "result": result, "versions": versions})


def read_measurements(path: Path) -> dict[str, dict[str, Any]]:
    """Returns the finished measurements by a key of their identity, the last line of each.

    Args:
        path (Path): The file, which need not exist.

    Raises:
        ValueError: If a line is not a measurement.
    """
    records = {}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            records[_key(dict(record["identity"]))] = dict(record["result"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path}, line {number}: not a measurement ({error!r}); remove the line"
            ) from error
    return records


def _key(identity: dict[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
