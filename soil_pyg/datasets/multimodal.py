import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch_geometric.data import HeteroData

from soil_pyg.datasets.columns import read_labels
from soil_pyg.datasets.features import feature_files, open_features, to_features
from soil_pyg.datasets.frames import Table, read_table
from soil_pyg.datasets.hetero_dataset import HeteroDataset
from soil_pyg.datasets.ids import INTEGER
from soil_pyg.datasets.interactions import check_pairs, to_hetero_data
from soil_pyg.utils.files import file_digest

COLUMNS = ("userID", "itemID", "x_label")
"""The columns of an interaction file that are read."""
_MAX_ID = 10**8 - 1
_HINT = "because ids count from 0; TableDataset accepts ids of any kind"


class MultimodalDataset(HeteroDataset):
    r"""A data set in the folder layout of `MMRec <https://github.com/enoche/MMRec>`_.

    - :obj:`<root>/<name>/<name>.inter`: tab-separated with a header; of its columns
      :obj:`userID`, :obj:`itemID` and :obj:`x_label` (0 training, 1 validation, 2 test) are read.
    - :obj:`<root>/<name>/<modality>_feat.npy`: any number of feature matrices of any real type,
      with one row per item; a row of zeros is a missing modality.

    Items are :math:`0, \ldots, I-1`, where :math:`I` is the number of feature rows or, without
    features, the largest item id plus one. Users without training interactions are dropped and
    counted in :obj:`data.num_dropped_users`; :obj:`data["user"].id` holds the original ids.

    Args:
        root (str or os.PathLike): The folder that holds the folder of the data set. If it is
            read-only, processed data is stored in the user's cache.
        name (str): The name of the data set, of its folder and of its interaction file.
        transform, pre_transform, force_reload (optional): See :class:`HeteroDataset`.

    Raises:
        FileNotFoundError: If there is no interaction file.
        ValueError: If a file is invalid: missing columns, values that are not integers, ids out of
            range, labels other than 0, 1 or 2, repeated pairs, an empty split, or features that do
            not have one finite row per item.
    """

    @property
    def folder_name(self) -> str:
        """The name of the data set's folder and of its interaction file."""
        return self.name

    @property
    def raw_dir(self) -> str:
        """The folder of the data set."""
        return str(Path(self.root) / self.folder_name)

    @property
    def raw_file_names(self) -> list[str]:
        """The interaction file; features are optional."""
        return [f"{self.folder_name}.inter"]

    @property
    def feature_paths(self) -> dict[str, Path]:
        """The feature files by modality, in the order of their names."""
        return feature_files(self.raw_dir)

    def download(self) -> None:
        """Raises an error that names the missing file and the data sets that exist."""
        names = sorted(path.parent.name for path in Path(self.root).glob("*/*.inter"))
        raise FileNotFoundError(
            f"{self.raw_paths[0]} is missing: 'root' must hold the folder {self.folder_name!r} "
            f"with this file (data sets found in {self.root}: {', '.join(names) or 'none'})"
        )

    def fingerprint(self) -> dict[str, Any]:
        """Returns the digests of the raw files."""
        features = {name: file_digest(path) for name, path in self.feature_paths.items()}
        return {"interactions": file_digest(self.raw_paths[0]), "features": features}

    def read(self) -> HeteroData:
        """Reads and checks the raw files."""
        paths = self.feature_paths
        matrices, limit = open_features(paths)
        pairs = read_interactions(self.raw_paths[0], limit)
        features = {
            name: to_features(matrix, str(paths[name]), lambda row: f"row {row} (item {row})")
            for name, matrix in matrices.items()
        }
        return to_hetero_data(
            *pairs,
            num_users=len(np.unique(pairs.user)),
            item_id=candidates(pairs.item, limit),
            features=features,
            source=f"'interactions' of {self.name!r}",
        )


class Interactions(NamedTuple):
    """Interactions: three :obj:`int64` arrays of the same length."""

    user: np.ndarray
    item: np.ndarray
    label: np.ndarray


def read_interactions(path: str | os.PathLike[str], num_items: int | None = None) -> Interactions:
    """Reads and checks an interaction file, as :func:`read_pairs` does, with its split.

    Raises :class:`ValueError` that names the line if a label is unknown or a pair is repeated, and
    if a split is empty.
    """
    table = read_pairs(path, num_items)
    user, item = (table.frame[column].to_numpy() for column in COLUMNS[:2])
    label = read_labels(table, COLUMNS[2])
    check_pairs(user, item, table.where)
    return Interactions(user, item, label)


def candidates(item: np.ndarray, num_rows: int | None) -> np.ndarray:
    """Returns the ids of all items, one per feature row or up to the largest with interactions."""
    return np.arange(int(item.max()) + 1 if num_rows is None else num_rows)


def read_pairs(
    path: str | os.PathLike[str], num_items: int | None = None, others: Sequence[str] = ()
) -> Table:
    """Reads the columns of an interaction file and others, and checks the ids.

    The item ids must be less than :obj:`num_items` if it is given. Raises :class:`ValueError` that
    names the line if a column or an id is invalid.
    """
    table = read_table(path, "interactions", COLUMNS[:2], [COLUMNS[2], *others])
    table.refuse_empty()
    ids = {column: _read_numbers(table, column) for column in COLUMNS[:2]}
    if num_items is not None:
        column = COLUMNS[1]
        bound = f"less than {num_items}, the number of feature rows"
        _refuse(table, ids[column] >= num_items, column, bound)
    return table._replace(frame=table.frame.assign(**ids))


def _read_numbers(table: Table, column: str) -> np.ndarray:
    ids = table.ids(column)
    numbers: np.ndarray = ids.values[ids.position]
    if numbers.dtype.kind != "i":
        is_integer = pd.Series(ids.values).str.fullmatch(INTEGER).to_numpy(bool)
        _refuse(table, ~is_integer[ids.position], column, f"an integer, {_HINT}")
    _refuse(table, numbers < 0, column, "at least 0")
    _refuse(table, numbers > _MAX_ID, column, f"at most {_MAX_ID}, {_HINT}")
    return numbers


def _refuse(table: Table, wrong: np.ndarray, column: str, expected: str) -> None:
    got = table.frame[column].iloc[int(np.argmax(wrong))] if len(wrong) else ""
    table.refuse(wrong, f"{column!r} must be {expected} (got {got})")
