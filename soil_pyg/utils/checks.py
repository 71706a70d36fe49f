"""Checks of arguments that are made in many places."""


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Raises :class:`ValueError` if an argument is less than its minimum."""
    if value < minimum:
        raise ValueError(f"'{name}' must be at least {minimum} (got {value})")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises :class:`ValueError` if an argument is none of its choices."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"'{name}' must be one of {listed} (got {value!r})")
