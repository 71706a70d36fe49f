import io
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow
from pyarrow import csv
from torch_geometric.data import HeteroData

from soil_pyg.datasets.features import feature_files, open_features, to_features
from soil_pyg.datasets.frames import check_columns
from soil_pyg.datasets.hetero_dataset import HeteroDataset
from soil_pyg.datasets.interactions import check_pairs, to_hetero_data
from soil_pyg.utils.files import file_digest

COLUMNS = ("userID", "itemID", "x_label")
"""The columns of an interaction file that are read."""
_MAX_ID = 10**8 - 1


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
            name: to_features(matrix, str(paths[name]), lambda row: f"row {row}")
            for name, matrix in matrices.items()
        }
        return to_hetero_data(
            *pairs,
            num_users=int(pairs.user.max()) + 1,
            item_id=np.arange(int(pairs.item.max()) + 1 if limit is None else limit),
            features=features,
            source=self.raw_paths[0],
        )


class Interactions(NamedTuple):
    """Interactions: three :obj:`int64` arrays of the same length."""

    user: np.ndarray
    item: np.ndarray
    label: np.ndarray


def read_interactions(path: str | os.PathLike[str], num_items: int | None = None) -> Interactions:
    """Reads and checks an interaction file, tab-separated with a header.

    The item ids must be less than :obj:`num_items` if it is given. Raises :class:`ValueError` if
    the file is invalid; the error names the line.
    """
    content = Path(path).read_bytes().rstrip(b"\r\n")
    header = content.split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r").split("\t")
    check_columns(header, COLUMNS, f"{path}, line 1")
    if b"\n" not in content:
        raise ValueError(f"{path} has no interactions")
    types = dict.fromkeys(COLUMNS, pyarrow.int64())
    try:
        table = csv.read_csv(
            io.BytesIO(content),
            # With threads, errors have no line numbers.
            csv.ReadOptions(use_threads=False),
            csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(include_columns=COLUMNS, column_types=types, null_values=[]),
        )
    except pyarrow.ArrowInvalid as error:
        row = re.search(r"Row #(\d+)", str(error))
        if row is None:
            raise ValueError(f"{path} is not a table of {len(header)} columns: {error}") from error
        line = content.split(b"\n")[int(row[1]) - 1].decode(errors="replace").rstrip("\r")
        raise ValueError(
            f"{path}, line {row[1]}: there must be {len(header)} fields between tabs, with "
            f"integers in {', '.join(COLUMNS)} (got {line!r})"
        ) from None
    pairs = Interactions(*(table[column].to_numpy() for column in COLUMNS))

    def refuse(bad: np.ndarray, column: str, message: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            value = table[column][row]
            raise ValueError(f"{path}, line {row + 2}: {column!r} must be {message} (got {value})")

    for column, ids in zip(COLUMNS[:2], pairs[:2], strict=True):
        refuse(ids < 0, column, "at least 0")
        hint = "because ids count from 0; TableDataset accepts ids of any kind"
        refuse(ids > _MAX_ID, column, f"at most {_MAX_ID}, {hint}")
    refuse((pairs.label < 0) | (pairs.label > 2), COLUMNS[2], "0, 1 or 2")
    if num_items is not None:
        message = f"less than {num_items}, the number of feature rows"
        refuse(pairs.item >= num_items, COLUMNS[1], message)
    check_pairs(pairs.user, pairs.item, lambda row: f"{path}, line {row + 2}")
    return pairs
