"""Values of options as words of a command line, and messages about wrong values."""

import re
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin


def element_type(option_type: Any) -> type | None:
    """Returns the type of the elements of a list of texts or numbers, :obj:`None` for any other
    type of an option.

    Example:
        >>> element_type(list[str] | None), element_type(int)
        (<class 'str'>, None)
    """
    is_union = get_origin(option_type) in (Union, UnionType)
    parts = get_args(option_type) if is_union else (option_type,)
    types = [part for part in parts if part is not NoneType]
    if len(types) != 1 or get_origin(types[0]) not in (list, tuple, Sequence):
        return None
    element = get_args(types[0])[0]
    return element if element in (str, int, float) else None


def elements(name: str, words: Sequence[Any], element: type) -> list[Any]:
    """Returns the elements of a list that are separate values or separated by commas. Raises
    :class:`ValueError`, which names the option, if one has another type.

    Example:
        >>> elements("ks", ["5", "10,20"], int)
        [5, 10, 20]
    """
    texts = [text.strip() for word in words for text in str(word).strip("[]").split(",")]
    try:
        return [element(text) for text in texts]
    except ValueError:
        kind = "whole numbers" if element is int else "numbers"
        raise ValueError(f"'{name}' must be {kind} (got {', '.join(texts)})") from None


def plain_reason(message: str) -> str:
    r"""Returns a message of :mod:`jsonargparse` in one line, without its keys and Python's types.

    Example:
        >>> plain_reason("Parser key \"bpr.lr\":\n  Expected a <class 'float'>. Got value: x")
        "'lr': expected float. Got value: x"
    """
    message = message.replace("Expected a ", "expected ")
    message = re.sub(r'Parser key "(?:\w+\.)?(\w+)":', r"'\1':", " ".join(message.split()))
    return re.sub(r"<class '(?:\w+\.)*(\w+)'>|typing\.", r"\1", message)
