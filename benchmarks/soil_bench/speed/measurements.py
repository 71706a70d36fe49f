"""The file of finished measurements."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from soil_bench.runs.results import (
    Record,
    append_record,
    machine_and_date,
    read_lines,
    versions_and_code,
)
from soil_bench.runs.sources import files_digest
from soil_bench.speed.measurement import Measurement
from soil_pyg.models import SOIL

NAIVE_FILES = "naive*.py"
INDEX_FILES = ("indexes.py", "index_measure.py", "item_features.py")
WITHOUT_EFFECT = ("--out", "--root", "--rerun", "--environments", "--install")
"""Options that say where to measure and not what."""


class Measurements:
    """Makes unfinished measurements, and stores each result immediately.

    Args:
        path (Path): The file, with one measurement per line as JSON; it need not exist.
        console (Console): The console for progress.
        rerun (bool, optional): Whether to repeat finished measurements. (default: :obj:`False`)

    Raises:
        ValueError: If a line of the file is not a measurement.
    """

    def __init__(self, path: Path, console: Console, rerun: bool = False) -> None:
        self.path = path
        self.failed: list[str] = []
        self.versions = versions_and_code(SOIL) | machine_and_date()
        self._console = console
        known = read_lines(path, "a measurement", _parse)
        self._finished = {} if rerun else known
        self._codes = {
            "fast": self.versions["code"],
            "naive": code_of(NAIVE_FILES),
            "indexes": code_of(*INDEX_FILES),
        }

    def measure(
        self, measurement: Measurement, identity: Record, sides: tuple[str, ...] = ("fast",)
    ) -> Record | None:
        """Returns the result of a measurement, :obj:`None` if it failed.

        Args:
            measurement (Measurement): The measurement.
            identity (dict[str, Any]): JSON values that, with the function, its settings and the
                code, identify the measurement.
            sides (tuple[str, ...], optional): The code that decides the result: :obj:`"fast"`,
                :obj:`"naive"`, :obj:`"indexes"`. (default: :obj:`("fast",)`)
        """
        identity = {**identity, **measurement.settings}
        values = ", ".join(f"{name} {value}" for name, value in identity.items())
        name = f"{measurement.function.rpartition(':')[2]}: {values}"
        identity |= {
            "function": measurement.function,
            "threads": torch.get_num_threads(),
            "code": [self._codes[side] for side in sides],
        }
        found = self.find(identity)
        if found is not None:
            self._console.print(f"{name}: measured before, not measured again")
            return found
        self._console.print(name)
        try:
            result = measurement.run()
        except RuntimeError as error:
            self.failed.append(f"{name}: {error}")
            return None
        self.add(identity, result)
        return result

    def find(self, identity: Record) -> Record | None:
        """Returns the result of a finished measurement, :obj:`None` if there is none.

        Args:
            identity (dict[str, Any]): JSON values that identify it.
        """
        return self._finished.get(_key(identity))

    def add(self, identity: Record, result: Record) -> None:
        """Stores a result.

        Args:
            identity (dict[str, Any]): JSON values that identify the measurement.
            result (dict[str, Any]): JSON values.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = {"identity": identity, "result": result, "versions": self.versions}
        append_record(self.path, line)

    def end(self, work: Path) -> int:
        """Prints the failures and returns the exit code; without failures a folder is removed."""
        errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for failed in self.failed:
            errors.print(f"failed: {failed}")
        if not self.failed:
            shutil.rmtree(work, ignore_errors=True)
        return 1 if self.failed else 0


def code_of(*patterns: str) -> str:
    """Returns a digest of files of the benchmark, given their names or patterns."""
    folder = Path(__file__).parent
    return files_digest({path for pattern in patterns for path in folder.glob(pattern)})


def options_of(argv: Sequence[str]) -> str:
    """Returns the options of a command that decide its measurements, as they are written.

    Example:
        >>> options_of(["--steps", "3", "--out", "results", "--rerun"])
        '--steps 3'
    """
    kept, is_kept = [], True
    for word in argv:
        if word.startswith("--"):
            is_kept = word.partition("=")[0] not in WITHOUT_EFFECT
        if is_kept:
            kept.append(word)
    return shlex.join(kept)


def _parse(line: Any) -> tuple[str, Record]:
    return _key(dict(line["identity"])), dict(line["result"])


def _key(identity: Record) -> str:
    return json.dumps(identity, sort_keys=True)
