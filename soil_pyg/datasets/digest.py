"""Digests of values, arrays and options, which name the processed files."""

import json
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soil_pyg.utils.files import bytes_digest, digest_of


def array_digest(array: np.ndarray) -> str:
    """Returns the hexadecimal SHA-256 digest of the type, shape and content of an array; objects
    must be strings.
    """
    if array.dtype == object:
        return digest_of([array.shape, array.tolist()])
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return bytes_digest([f"{array.dtype.str} {array.shape} ".encode(), content.data])


def describe(value: Any) -> Any:
    """Returns a JSON value that describes an object, such as a transform with all of its options.

    Raises :class:`TypeError` if the object cannot be told from others of its type, as a function.

    Example:
        >>> from torch_geometric.transforms import AddSelfLoops
        >>> describe(AddSelfLoops(fill_value=1.0)) == describe(AddSelfLoops(fill_value=2.0))
        False
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [describe(element) for element in value]
    if isinstance(value, set | frozenset):
        return sorted(json.dumps(describe(element)) for element in value)
    if isinstance(value, dict):
        return [[describe(key), describe(element)] for key, element in value.items()]
    if isinstance(value, Tensor) and value.layout is torch.strided:
        return array_digest(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        return array_digest(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, FunctionType | BuiltinFunctionType | MethodType):
        raise TypeError(f"{value.__qualname__} is a function")
    text = repr(value)
    own_text = None if " at 0x" in text else text
    reduced = value.__reduce_ex__(2)
    if isinstance(reduced, str):
        return [own_text, reduced]
    make, arguments, *state = reduced
    parts = [part if part is None or hasattr(part, "__len__") else list(part) for part in state]
    return [own_text, make.__qualname__, describe(arguments), describe(parts)]
