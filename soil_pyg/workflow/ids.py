"""Lookup of users and items by the ids of the original data."""

import logging
import os
import reprlib
from collections.abc import Iterable
from numbers import Number
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.id_files import read_id_file
from soil_pyg.datasets.ids import find_ids
from soil_pyg.workflow.columns import id_columns

logger = logging.getLogger("soil_pyg")

IdSource: TypeAlias = Iterable[Any] | str | os.PathLike[str]
DataSource: TypeAlias = HeteroData | str | os.PathLike[str] | None
ALL = "all"
SHOWN = 3
"""The maximum number of ids in an error message."""


def plain_id(ids: np.ndarray, position: int) -> Any:
    """Returns an id as a string or a number of Python."""
    return ids[[position]].tolist()[0]


def find_positions(
    ids: IdSource,
    known: np.ndarray,
    name: str,
    kind: str,
    may_be_empty: bool = False,
    data: DataSource = None,
    skip_unknown: bool = False,
) -> np.ndarray:
    """Returns the positions of ids among those of a run, compared as text. The ids may also be a
    text file with one id per line, or a table with the column of :obj:`kind` that the data was
    prepared from; :obj:`name` is the name of the argument in errors. With :obj:`skip_unknown`,
    unknown ids in a file are skipped with a warning, as a shop has items newer than its run.

    Raises :class:`FileNotFoundError` if the file does not exist, and :class:`ValueError` if there
    is no id, an id is unknown or no text or number, or the file cannot be read.

    Example:
        >>> find_positions(["tea", "rum"], np.array(["milk", "rum", "tea"]), "items", "item")
        array([2, 1])
    """
    given, where = _read(ids, name, kind, data), f"'{name}'"
    if isinstance(ids, str | os.PathLike):
        where += f" ({os.fspath(ids)})"
    if len(given) == 0 and not may_be_empty:
        raise ValueError(f"{where} must name at least one {kind} (got none)")
    positions = find_ids(given, known)
    unknown = list(dict.fromkeys(given[positions < 0].tolist()))
    is_found = may_be_empty or (positions >= 0).any()
    if unknown and skip_unknown and is_found and isinstance(ids, str | os.PathLike):
        message = "%s: skipped the ids of %ss that the run lacks (%d, such as %s)"
        logger.warning(message, where, kind, len(unknown), _quoted(unknown[:1]))
    elif unknown:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise ValueError(
            f"{where}: the run has no {kind} {_quoted(unknown)}{more} "
            f"(known {kind}s: {_quoted(known)}, ...)"
        )
    return positions[positions >= 0]


def select(
    ids: IdSource, known: np.ndarray, name: str, kind: str, data: DataSource = None
) -> Tensor:
    """Returns the positions of ids, or all positions for :obj:`"all"`.

    Takes the arguments of :func:`find_positions` and raises the same errors, but a file must be
    given as a :obj:`~pathlib.Path`.
    """
    if isinstance(ids, str):
        if ids != ALL:
            raise ValueError(f"'{name}' must be 'all' or a list of ids (got {ids!r})")
        return torch.arange(len(known))
    return torch.from_numpy(find_positions(ids, known, name, kind, data=data))


def _read(source: IdSource, name: str, kind: str, data: DataSource) -> np.ndarray:
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"'{name}' must be a list of ids or an existing file (got '{path}')"
            )
        return read_id_file(path, name, id_columns(data)[kind], skip_blank=True)
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        raise ValueError(f"'{name}' must be a list of ids (got {reprlib.repr(source)})")
    listed = source.tolist() if isinstance(source, Tensor) else list(source)
    for value in listed:
        if isinstance(value, bool) or not isinstance(value, str | Number) or value != value:
            raise ValueError(f"'{name}' must hold texts or numbers (got {reprlib.repr(value)})")
    return np.array([str(value) for value in listed], dtype=object)


def _quoted(ids: Iterable[Any]) -> str:
    return ", ".join(f"'{value}'" for value in list(ids)[:SHOWN])
