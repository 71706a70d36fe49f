"""Records of commands, read for the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from soil_bench.runs.results import Record, environment
from soil_pyg.utils.records import parse_json

T = TypeVar("T")


def read_as(path: Path, command: str, read: Callable[[Any], T]) -> T:
    """Returns the result of a function of the record in a file.

    Raises:
        ValueError: If the function fails, because the file is not such a record.
    """
    try:
        return read(parse_json(path.read_bytes()))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not a record of 'run.py {command}' ({error!r}); write it again or remove it"
        ) from error


def written_by(command: str, data: str, record: Record) -> list[str]:
    """Returns the line of the page on the origin of a record, and an empty one."""
    where = "; ".join(environment([record]))
    return [f"Written by `python benchmarks/run.py {command}`.{data} {where}.", ""]
