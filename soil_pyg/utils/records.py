"""Files that are read back: JSON that is parsed strictly, checked by a schema and by its digest."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soil_pyg.utils.files import digest_of, file_digest, write_json

CHECKSUM = "checksum"
"""The key of the digest of all other values of a record."""

SHOWN = 60
"""The number of characters of a wrong value that a message shows."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Schema(BaseModel):
    """Base class of schemas, which convert no types and know all keys."""

    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())


S = TypeVar("S", bound=Schema)


class DamagedFileError(ValueError):
    """Is raised for a file that is not as it was written.

    Args:
        path (Path): The file.
        reason (str): The fault, as the rest of a sentence about the file.
        remedy (str): A command that writes the file again.
    """

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"'{path}' {reason}: {remedy}")
        self.path, self.reason, self.remedy = path, reason, remedy


def parse_json(content: bytes | str, finite: bool = True) -> Any:
    """Returns a JSON value. Raises :class:`ValueError` if the text is not UTF-8, is no JSON, is
    nested too deeply, has a key twice, or has a number that is not finite.

    Example:
        >>> parse_json('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
    """
    text = content if isinstance(content, str) else content.decode("utf-8")
    strict: dict[str, Any] = {"parse_float": _number, "parse_constant": _number} if finite else {}
    try:
        return json.loads(text, object_pairs_hook=unique_keys, **strict)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Writes a record with its checksum for :func:`read_record`."""
    # The digest must be that of the values that come back, with lists for tuples.
    stored = json.loads(json.dumps(record, allow_nan=False))
    write_json(path, record | {CHECKSUM: digest_of(stored)})


def read_record(path: Path, version: int, remedy: str) -> dict[str, Any]:
    """Returns the record in a JSON file without its checksum, which records of earlier versions of
    the package lack.

    Args:
        path (Path): The file.
        version (int): The value of :obj:`"format"`.
        remedy (str): A command that writes the file again.

    Raises:
        DamagedFileError: If the file holds anything else.
    """
    check_regular(path, remedy)
    try:
        record = parse_json(path.read_bytes())
        if not isinstance(record, dict) or "format" not in record:
            raise ValueError("it has no format")
        found = record["format"]
        if type(found) is int and found != version:
            reason = f"must have format {version} (got {found})"
            raise DamagedFileError(path, reason, remedy)
        stored = record.pop(CHECKSUM, None)
        if stored is not None and stored != digest_of(record):
            raise ValueError("it has changed since it was written")
    except DamagedFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"is damaged ({error})", remedy) from error
    return record


def validate(schema: type[S], value: Any, path: Path, remedy: str) -> S:
    """Returns a value as an instance of its schema. Raises :class:`DamagedFileError`, which names
    the file and the first key that is wrong.
    """
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise DamagedFileError(path, f"is damaged ({first_fault(error)})", remedy) from error


def first_fault(error: ValidationError) -> str:
    """Returns the first fault that a schema has found, with the key and the value."""
    fault = error.errors(include_url=False)[0]
    key = ".".join(map(str, fault["loc"]))
    got = "" if fault["type"] == "missing" else f", got {_shown(fault['input'])}"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{key}: {message}{got}" if key else f"{message}{got}"


def check_files(record: Path, digests: dict[str, str], names: Iterable[str], remedy: str) -> None:
    """Raises :class:`FileNotFoundError` if a file beside a record is missing, and
    :class:`DamagedFileError` if it has another digest than in the record.
    """
    for name in names:
        path = record.with_name(name)
        check_regular(path, remedy)
        if file_digest(path) != digests.get(name):
            reason = f"is not the file that was written with {record.name}"
            raise DamagedFileError(path, reason, remedy)


def check_regular(path: Path, remedy: str) -> None:
    """Raises :class:`FileNotFoundError` if there is no file, and :class:`DamagedFileError` if a
    folder, a pipe or a device takes its place.
    """
    if not path.exists():
        raise FileNotFoundError(f"'{path.parent}' has no {path.name}: {remedy}")
    if not path.is_file():
        raise DamagedFileError(path, "is not a file", remedy)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return type(value).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is not finite")
    return value


class RepeatedKeyError(ValueError):
    """Is raised for a JSON object with a key that occurs twice."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the pairs of a JSON object as a dictionary, or raises :class:`RepeatedKeyError`."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKeyError("a key occurs twice in an object")
    return found
