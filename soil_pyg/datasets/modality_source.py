"""Features of a modality from a file, a table, a matrix or an encoder."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.datasets.feature_table import to_array
from soil_pyg.datasets.features import FeatureSource, check_matrix, open_matrix
from soil_pyg.datasets.frames import TABLES, is_table
from soil_pyg.datasets.id_files import read_id_file
from soil_pyg.datasets.item_table import IMAGE, ItemTable
from soil_pyg.typing import ITEM

ModalitySource: TypeAlias = FeatureSource | Encoder


def resolve_features(
    modality: str,
    source: ModalitySource,
    item_id: np.ndarray,
    items: ItemTable | None,
    item_ids: Sequence[Any] | str | os.PathLike[str] | None,
    item_column: str,
) -> FeatureSource:
    """Returns features that are keyed by item ids.

    An encoder encodes the items :obj:`item_id`, with the rows of the table :obj:`items`. The rows
    of an :obj:`.npy` file belong to :obj:`item_ids`, a sequence or a file, or else to
    :obj:`items`. Other sources are keyed already. Raises :class:`FileNotFoundError` if the file
    does not exist and :class:`ValueError` if a matrix has no ids or another number of rows.
    """
    name = f"features[{modality!r}]"
    if isinstance(source, Encoder):
        frame = pd.DataFrame({ITEM: item_id}) if items is None else items.select(item_id)
        return encode_items(source, frame, name), item_id
    path = file_of(source)
    if path is None or is_table(path):
        return source
    if path.suffix.lower() != ".npy":
        raise ValueError(f"{name} must be a .npy, {TABLES} file (got {path})")
    if not path.is_file():
        raise FileNotFoundError(f"{name}: there is no file {path}")
    matrix = open_matrix(path)
    rows: Sequence[Any] | np.ndarray
    if isinstance(item_ids, str | os.PathLike):
        rows, origin = read_id_file(item_ids, "item_ids", item_column), str(item_ids)
    elif item_ids is not None:
        rows, origin = item_ids, "'item_ids'"
    elif items is not None:
        rows, origin = items.ids, "the table of items"
    else:
        raise ValueError(
            f"{name}: the rows of {path} must have ids: give 'item_ids' (--item-ids) or 'items' "
            f"(--items)"
        )
    if len(rows) != len(matrix):
        raise ValueError(
            f"{name}: {path} has {len(matrix)} rows, but {origin} has {len(rows)} items: there "
            f"must be one row per item, in the same order"
        )
    return matrix, rows, path


def file_of(source: Any) -> Path | None:
    """Returns the file of a source, or :obj:`None` for other sources."""
    return Path(source).expanduser() if isinstance(source, str | os.PathLike) else None


def encode_items(encoder: Encoder, items: pd.DataFrame, name: str) -> np.ndarray:
    """Returns one vector per item, zeros for missing ones. Raises :class:`ValueError` if an encoder
    returns anything else; :obj:`name` is its name for the error.
    """
    source = f"{name}, as encoded by {encoder.name!r},"
    matrix = to_array(encoder.encode(items), source)
    check_matrix(matrix, source)
    if len(matrix) != len(items):
        raise ValueError(f"{name}: {encoder.name!r} gave {len(matrix)} rows for {len(items)} items")
    return np.where(np.isnan(matrix).all(axis=1, keepdims=True), matrix.dtype.type(0), matrix)


def with_pictures(
    selected: pd.DataFrame | None, item_id: np.ndarray, features: Mapping[str, ModalitySource]
) -> pd.DataFrame | None:
    """Returns the table of items with the pictures that were encoded, unless it names others."""
    files = [getattr(source, "files", None) for source in features.values()]
    encoded = next((found for found in files if found), None)
    if encoded is None or (selected is not None and IMAGE in selected):
        return selected
    paths = [None if path is None else os.path.abspath(path) for path in encoded]
    table = pd.DataFrame({ITEM: item_id}) if selected is None else selected
    return table.assign(**{IMAGE: pd.Series(paths, dtype=object)})
