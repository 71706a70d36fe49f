"""Requests that are refused, and the errors that the server answers with, as JSON in one line."""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

LONGEST = 300
"""The number of characters that are shown of an error."""


class RequestError(Exception):
    """Is raised for a request that is refused.

    Args:
        status (int): The status of the answer.
        message (str): What was got, and what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def refusing() -> Iterator[None]:
    """Turns the :class:`ValueError` of a check of a parameter into a refusal."""
    try:
        yield
    except ValueError as error:
        raise RequestError(400, str(error)) from error


def one_line(message: str) -> str:
    r"""Returns a message as one line of printable characters and bounded length.

    Example:
        >>> one_line("no user 'a\x07\nb'")
        "no user 'a\\x07 b'"
    """
    line = " ".join(message.split())
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def describe(faults: Sequence[Mapping[str, Any]]) -> str:
    """Returns the first of the faults that pydantic has found in a request, in our own words.

    Example:
        >>> describe([{"type": "int_parsing", "loc": ("query", "k"), "input": "many"}])
        "'k' must be an integer (got 'many')"
    """
    # A misspelt name explains why another one is missing.
    fault = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
    kind, where = str(fault["type"]), [p for p in fault["loc"][1:] if isinstance(p, str)]
    got = f"(got {reprlib.repr(fault.get('input'))})"
    if kind == "json_invalid":
        return 'the body must be JSON: send an object such as {"items": ["v1"]}'
    if not where:
        return f"the body must be a JSON object with 'items' {got}: set the content type to JSON"
    name = f"'{where[0]}'"
    if kind == "extra_forbidden":
        return f"{name} is unknown here {got}: the page /docs lists what can be given"
    if kind == "missing":
        return f"{name} must be given (got nothing)"
    if kind == "too_short":
        return f"{name} must name at least one id (got none)"
    # A value that may be of two types has a fault for each.
    text = "a text or an integer" if len(faults) > 1 else "a text"
    needs = {"int": "an integer", "string": text, "list": "a list"}
    for start, what in needs.items():
        if kind.startswith(start):
            return f"{name} must be {what} {got}"
    if kind == "literal_error":
        return f"{name} must be one of {fault['ctx']['expected']} {got}"
    return f"{name} is wrong: {fault.get('msg', kind)} {got}"
