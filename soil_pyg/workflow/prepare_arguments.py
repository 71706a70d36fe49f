"""Checks of the arguments of :func:`soil_pyg.prepare`, before anything is read."""

import os
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any

import pandas as pd
from torch_geometric.data import HeteroData

from soil_pyg.datasets.features import check_modality
from soil_pyg.datasets.frames import Table
from soil_pyg.utils.checks import (
    check_flag,
    check_integer,
    check_number,
    check_numbers,
    check_path,
    check_string,
)

CHECKS = {
    "out": check_path,
    "image_folder": check_path,
    "like": check_path,
    "user_column": check_string,
    "item_column": check_string,
    "rating_column": check_string,
    "time_column": check_string,
    "split_column": check_string,
    "title_column": check_string,
    "image_column": check_string,
    "name": check_string,
    "min_rating": check_number,
    "seed": check_integer,
    "ratios": check_numbers,
    "keep_items": check_flag,
    "overwrite": check_flag,
}
REQUIRED = {"out", "user_column", "item_column", "keep_items", "overwrite"}
"""The arguments that must not be :obj:`None`."""
OF_ITEMS = ("title_column", "image_column", "image_folder")
"""The arguments that say how to read the table of items."""


def check_arguments(given: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` if an argument has a wrong type, or two contradict each other."""
    for name, check in CHECKS.items():
        if given[name] is not None or name in REQUIRED:
            check(name, given[name])
    check_integer("k_core", given["k_core"], 1)
    check_interactions(given)
    _check_sources(given)
    if (given["rating_column"] is None) != (given["min_rating"] is None):
        raise ValueError(
            "'rating_column' and 'min_rating' must be given together "
            f"(got {given['rating_column']!r} and {given['min_rating']!r})"
        )
    if given["keep_items"] and (given["items"] is None or given["k_core"] > 1):
        raise ValueError("'keep_items' requires 'items' and excludes 'k_core' (got True)")
    for name in OF_ITEMS:
        if given[name] is not None and given["items"] is None:
            raise ValueError(f"'{name}' requires 'items' (got {given[name]!r})")
    if given["image_folder"] is not None:
        check_image_folder(given["image_folder"])


def check_image_folder(folder: str | os.PathLike[str]) -> None:
    """Raises :class:`ValueError` if the folder of pictures does not exist."""
    if not Path(folder).expanduser().is_dir():
        raise ValueError(f"'image_folder' must be an existing folder (got '{folder}')")


def check_interactions(given: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` if the interactions are not a path, a table or a graph."""
    interactions = given["interactions"]
    if not isinstance(interactions, HeteroData | pd.DataFrame):
        check_path("interactions", interactions)
        if Path(interactions).expanduser().is_dir() and given["user_column"] != "user":
            raise ValueError(
                "'user_column' must be left out for a folder, whose layout names the columns "
                f"(got {given['user_column']!r})"
            )


def given_columns(**columns: str | None) -> dict[str, str]:
    """Returns the given columns by option, which must be different."""
    given = {option: column for option, column in columns.items() if column is not None}
    if len(set(given.values())) < len(given):
        raise ValueError(f"{', '.join(map(repr, given))} must be different columns (got {given})")
    return given


def _check_sources(given: Mapping[str, Any]) -> None:
    features, item_ids = given["features"], given["item_ids"]
    if given["items"] is not None and not isinstance(given["items"], pd.DataFrame | Table):
        check_path("items", given["items"])
    if features is not None and not isinstance(features, Mapping):
        raise ValueError(f"'features' must map modalities to their sources (got {features!r})")
    for modality in features or {}:
        check_string("features", modality)
        check_modality(modality, "'features'")
    if item_ids is not None:
        if not isinstance(item_ids, Sized | os.PathLike) or isinstance(item_ids, set | frozenset):
            raise ValueError(f"'item_ids' must be a file or a list of ids (got {item_ids!r})")
        if not features:
            raise ValueError("'item_ids' requires 'features' (got none)")
