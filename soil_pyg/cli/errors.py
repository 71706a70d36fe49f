"""The exit code and the line that each kind of error ends a command with."""

import argparse
import errno
import os
import re
import traceback
from typing import NamedTuple

FAILED, WRONG_INPUT = 1, 2
"""The exit codes of errors."""
TRACEBACK = "SOIL_PYG_TRACEBACK"
"""The environment variable that shows the traceback of an error."""
READERS = {"csv", "optuna", "pyarrow", "safetensors_rust", "sqlalchemy", "sqlite3", "yaml", "zlib"}
"""Packages whose errors are about the files that they read."""
LARGE = 10**6
"""The smallest number on a command line that is named as a possible cause of exhausted memory."""

_REMEDIES = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some space or write to another disk",
    errno.EACCES: "get permission or choose another path",
    errno.EPERM: "get permission or choose another path",
    errno.EROFS: "choose another path",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "name a file",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ENOMEM: "choose smaller sizes or a machine with more memory",
}
_NO_MEMORY = re.compile(
    r"DefaultCPUAllocator|out of memory|not enough memory|bad_alloc|ALLOC_FAILED|buffer size|"
    r"overflow",
    re.IGNORECASE,
)
_ALLOCATED = re.compile(r"allocate ([\d.]+ ?\w+)", re.IGNORECASE)
_FAISS = re.compile(r"Error in .*faiss.*?Error: (?:'.*' failed: ?)?(.*)", re.DOTALL)


class FailureError(RuntimeError):
    """A failure of a command whose input is right."""


class Outcome(NamedTuple):
    """The end of a command by an error.

    Args:
        exit_code (int): 2 for wrong input, 1 for any other failure.
        message (str): The cause and a remedy.
    """

    exit_code: int
    message: str


def outcome_of(error: Exception, argv: list[str]) -> Outcome:
    """Returns how an error ends a command with the given command line."""
    package = type(error).__module__.partition(".")[0].lstrip("_")
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        remedy = _REMEDIES.get(error.errno)
        where = f"'{os.fsdecode(error.filename)}': " if error.filename else ""
        return _wrong(f"{where}{os.strerror(error.errno)}{f'; {remedy}' if remedy else ''}")
    if isinstance(error, ConnectionError | ImportError | FloatingPointError | FailureError):
        return Outcome(FAILED, text)
    if isinstance(error, RecursionError):
        return _wrong(f"an input is nested too deeply ({text})")
    if isinstance(error, RuntimeError) and (found := _FAISS.match(text)):
        return _wrong(f"FAISS: {found[1]}")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(text)
    ):
        return _wrong(_no_memory(text, argv))
    if isinstance(error, OverflowError):
        return _wrong(f"a number is too large{_large_of(argv)}: {text}")
    if isinstance(error, ValueError | OSError | argparse.ArgumentError):
        return _wrong(text)
    if package in READERS:
        return _wrong(f"{package}: {text}")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
    return Outcome(
        FAILED,
        f"internal error: {type(error).__name__}: {text} ({where}); for a report, set "
        f"{TRACEBACK}=1 to show the traceback",
    )


def _wrong(message: str) -> Outcome:
    return Outcome(WRONG_INPUT, message)


def _no_memory(text: str, argv: list[str]) -> str:
    found = _ALLOCATED.search(text)
    size = found[1] if found else ""
    count, _, unit = size.partition(" ")
    if unit == "bytes":
        size = f"{int(count) / 2**30:,.1f} GiB"
    what = f"not enough memory{f' for {size}' if size else ''}{_large_of(argv)}"
    return f"{what}: choose smaller sizes or a machine with more memory"


def _large_of(argv: list[str]) -> str:
    """Returns the flags with large values, in parentheses."""
    found = []
    flag = ""
    for argument in argv:
        name, _, value = argument.partition("=")
        flag, value = (name, value) if name.startswith("--") else (flag, argument)
        if re.fullmatch(r"\d+", value) and int(value) >= LARGE:
            found.append(f"{flag} {value}".strip())
    return f" (got {', '.join(found)})" if found else ""
