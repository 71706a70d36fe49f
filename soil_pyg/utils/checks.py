"""Checks of arguments; NaN fails all of them."""

from collections.abc import Collection


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Raises :class:`ValueError` if an argument is less than its minimum."""
    if not value >= minimum:
        raise ValueError(f"'{name}' must be at least {minimum} (got {value})")


def check_greater(name: str, value: float, limit: float) -> None:
    """Raises :class:`ValueError` if an argument is not greater than its limit."""
    if not value > limit:
        raise ValueError(f"'{name}' must be greater than {limit} (got {value})")


def check_between(name: str, value: float, minimum: float, maximum: float) -> None:
    """Raises :class:`ValueError` if an argument is less than its minimum or above its maximum."""
    if not minimum <= value <= maximum:
        raise ValueError(f"'{name}' must be between {minimum} and {maximum} (got {value})")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raises :class:`ValueError` if an argument is none of its choices."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"'{name}' must be one of {listed} (got {value!r})")
