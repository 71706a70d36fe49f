"""Steps of :func:`soil_pyg.prepare`."""

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from soil_pyg.datasets.encoder_states import restored
from soil_pyg.datasets.frames import ColumnError, TableSource, check_columns
from soil_pyg.datasets.ids import find_ids, read_ids
from soil_pyg.datasets.item_table import ItemTable
from soil_pyg.datasets.known_split import KnownSplit
from soil_pyg.datasets.layouts import read_source
from soil_pyg.datasets.select_pairs import Selection
from soil_pyg.datasets.source import Source

logger = logging.getLogger("soil_pyg")


def read_interactions(interactions: TableSource | HeteroData, columns: dict[str, str]) -> Source:
    """Reads the given columns, by option. Raises :class:`ValueError` that names the option if a
    column is missing.
    """
    user_column, item_column, *others = columns.values()
    try:
        source = read_source(interactions, user_column, item_column, others)
        # A graph has no further columns.
        check_columns(source.table.frame.columns, others, source.name)
        return source
    except ColumnError as error:
        options = [option for option, column in columns.items() if column == error.column]
        if not options:
            raise
        flag = f"--{options[0].replace('_', '-')}"
        raise ValueError(f"{error}: set '{options[0]}' ({flag})") from error


def candidate_ids(
    pairs: Selection, source: Source, table: ItemTable | None, k_core: int
) -> np.ndarray:
    """Returns the ids of items with interactions, followed by those to keep without any."""
    others = [] if table is None else [table.ids]
    if source.items is not None and k_core == 1:
        others.append(source.items)
    ids = pairs.item_id.tolist()
    for more in others:
        ids += more[find_ids(more, np.array(ids, dtype=object)) < 0].tolist()
    return read_ids(ids, lambda i: f"item {ids[i]!r}").values


def features_like(
    features: dict[str, Any],
    like: str | os.PathLike[str],
    known: KnownSplit,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the features with the encoders of an earlier data folder, and warns of what was
    prepared differently.
    """
    if filters := known.unlike(arguments):
        logger.warning("'%s' was prepared with %s, unlike this data", like, ", ".join(filters))
    features, others = restored(features, like)
    for modality in others:
        message = "%s: fitted to other items than '%s': a run on it does not fit (--init)"
        logger.warning(message, modality, like)
    return features


def warn_of_lost(known: KnownSplit, found: Mapping[str, Any], like: str | os.PathLike[str]) -> None:
    """Warns of modalities that an earlier data folder has and this data lacks."""
    if lost := [modality for modality in known.modalities if modality not in found]:
        message = "'%s' has the modalities %s, unlike this data: give their features again"
        logger.warning(message, like, ", ".join(lost))
