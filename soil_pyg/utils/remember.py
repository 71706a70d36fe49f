"""Results that are kept per tensor, for as long as it lives unchanged."""

import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar, cast

from torch import Tensor

from soil_pyg.utils._private import version_of

T = TypeVar("T")


class _Entry(NamedTuple):
    tensor: "weakref.ref[Tensor]"
    version: int
    results: dict[Hashable, Any]


_ENTRIES: dict[int, _Entry] = {}


def remember(tensor: Tensor, key: Hashable, compute: Callable[[], T]) -> T:
    """Returns the result of :obj:`compute` for a tensor, which is computed once per key.

    Example:
        >>> import torch
        >>> x, calls = torch.ones(3), []
        >>> [remember(x, "sum", lambda: calls.append(x.sum().item())) for _ in range(2)]
        [None, None]
        >>> calls
        [3.0]
    """
    version, number = version_of(tensor), id(tensor)
    if version is None:
        return compute()
    entry = _ENTRIES.get(number)
    if entry is None or entry.tensor() is not tensor or entry.version != version:
        # Equal tensors have results of their own: a comparison would cost as much as a check.
        reference = weakref.ref(tensor, lambda _: _ENTRIES.pop(number, None))
        entry = _ENTRIES[number] = _Entry(reference, version, {})
    if key not in entry.results:
        entry.results[key] = compute()
    return cast(T, entry.results[key])
