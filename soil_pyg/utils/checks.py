"""Checks of arguments; NaN fails all of them, and a number is neither a bool nor a string."""

import math
import os
import reprlib
from collections.abc import Collection, Hashable, Iterable, Mapping
from numbers import Integral, Real


def check_number(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"'{name}' must be a number (got {reprlib.repr(value)})")
    if not isinstance(value, Integral) and not math.isfinite(value):
        raise ValueError(f"'{name}' must be finite (got {value})")


def check_integer(
    name: str, value: object, minimum: int | None = None, maximum: int = 2**63 - 1
) -> None:
    """Raises :class:`ValueError` unless an argument is an integer within its limits."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"'{name}' must be an integer (got {reprlib.repr(value)})")
    if minimum is not None:
        check_at_least(name, int(value), minimum)
    if int(value) > maximum:
        raise ValueError(f"'{name}' must be at most {maximum} (got {reprlib.repr(value)})")


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Raises :class:`ValueError` if an argument is less than its minimum."""
    check_number(name, value)
    if not value >= minimum:
        raise ValueError(f"'{name}' must be at least {minimum} (got {value})")


def check_greater(name: str, value: float, limit: float) -> None:
    """Raises :class:`ValueError` if an argument is not greater than its limit."""
    check_number(name, value)
    if not value > limit:
        raise ValueError(f"'{name}' must be greater than {limit} (got {value})")


def check_between(name: str, value: float, minimum: float, maximum: float) -> None:
    """Raises :class:`ValueError` if an argument is less than its minimum or above its maximum."""
    check_number(name, value)
    if not minimum <= value <= maximum:
        raise ValueError(f"'{name}' must be between {minimum} and {maximum} (got {value})")


def check_share(name: str, value: float) -> None:
    """Raises :class:`ValueError` unless an argument is at least 0 and less than 1."""
    check_number(name, value)
    if not 0 <= value < 1:
        raise ValueError(f"'{name}' must be at least 0 and less than 1 (got {value})")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raises :class:`ValueError` if an argument is none of its choices."""
    if not isinstance(value, Hashable) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"'{name}' must be one of {listed} (got {reprlib.repr(value)})")


def check_flag(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a bool."""
    if not isinstance(value, bool):
        raise ValueError(f"'{name}' must be True or False (got {reprlib.repr(value)})")


def check_string(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a string that is not empty."""
    if not isinstance(value, str) or value == "":
        raise ValueError(f"'{name}' must be a string that is not empty (got {reprlib.repr(value)})")


def check_path(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a path that is not empty."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(f"'{name}' must be a path (got {reprlib.repr(value)})")


def check_strings(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a list or tuple of distinct strings, at
    least one.
    """
    if not isinstance(value, list | tuple) or len(value) == 0 or not _is_strings(value):
        raise ValueError(f"'{name}' must be a list of strings (got {reprlib.repr(value)})")
    if len(set(value)) < len(value):
        raise ValueError(f"'{name}' must name each entry once (got {reprlib.repr(value)})")


def check_numbers(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a list or tuple of finite numbers."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"'{name}' must be a list of numbers (got {reprlib.repr(value)})")
    for entry in value:
        check_number(name, entry)


def check_edge_type(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is an edge type (source, relation, target)."""
    if not isinstance(value, tuple) or len(value) != 3 or not _is_strings(value):
        raise ValueError(
            f"'{name}' must be a tuple of three strings (source, relation, target) "
            f"(got {reprlib.repr(value)})"
        )


def check_edge_types(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument is a list or tuple of edge types."""
    if not isinstance(value, list | tuple) or (isinstance(value, tuple) and _is_strings(value)):
        raise ValueError(f"'{name}' must be a list of edge types (got {reprlib.repr(value)})")
    for entry in value:
        check_edge_type(name, entry)


def check_sizes(name: str, value: object) -> None:
    """Raises :class:`ValueError` unless an argument maps strings to integers of at least 1."""
    if not isinstance(value, Mapping) or not _is_strings(value):
        raise ValueError(
            f"'{name}' must map names to sizes, as {{'text': 384}} does (got {reprlib.repr(value)})"
        )
    for key, size in value.items():
        check_integer(f"{name}[{key!r}]", size, 1)


def _is_strings(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)
