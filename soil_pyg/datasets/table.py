import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from soil_pyg.datasets.columns import read_labels, read_times
from soil_pyg.datasets.digest import array_digest
from soil_pyg.datasets.features import FeatureSource, read_features
from soil_pyg.datasets.frames import TableSource, read_table
from soil_pyg.datasets.hetero_dataset import HeteroDataset
from soil_pyg.datasets.ids import Ids, find_ids, read_ids
from soil_pyg.datasets.interactions import check_pairs, to_hetero_data
from soil_pyg.datasets.split import ALL_TRAIN, check_split, split_pairs
from soil_pyg.datasets.storage import typed_stores


class TableDataset(HeteroDataset):
    r"""A data set from tables, with ids of any type.

    :obj:`data["user"].id` and :obj:`data["item"].id` hold the original ids, sorted: integers as
    :obj:`int64`, all others as strings. Ids in text files are read as written and become integers
    only if all ids of the column are written as integers. Interactions and features are matched by
    the written ids, so the integer 12 equals the string :obj:`"12"`.

    Users without training interactions are dropped and counted in
    :obj:`data.num_dropped_users`. Items without training interactions stay, and items without
    features of a modality have a row of zeros. Feature rows of unknown items are ignored and
    counted in :obj:`data.num_ignored_feature_rows`; list such items in :obj:`items` to keep them as
    candidates.

    Args:
        interactions (pandas.DataFrame, str or os.PathLike): The interactions, one per row: a data
            frame or a :obj:`.csv`, :obj:`.tsv`, :obj:`.txt`, :obj:`.parquet` or :obj:`.jsonl`
            file. Text may be compressed (:obj:`.gz`, :obj:`.bz2`, :obj:`.xz`, :obj:`.zst`), and
            fields between tabs may be quoted or not; a file that can be read in two ways is
            refused.
        features (mapping, optional): The features of the items per modality: a data frame that is
            indexed by item id or has the column :obj:`item_column`; a file with that column; or a
            pair of a matrix and the list of the item ids of its rows. A single column may hold the
            whole vector. (default: :obj:`None`)
        user_column (str): The column of the user ids. (default: :obj:`"user"`)
        item_column (str): The column of the item ids. (default: :obj:`"item"`)
        split_column (str, optional): The column of a given split: 0 or :obj:`"train"`, 1 or
            :obj:`"val"`, :obj:`"valid"`, :obj:`"validation"`, 2 or :obj:`"test"`.
            (default: :obj:`None`)
        split (str, optional): The kind of split to make: :obj:`"random"` splits the interactions of
            each user, :obj:`"last"` holds out the last two interactions of each user, and
            :obj:`"time"` cuts all interactions at two points in time.
            (default: :obj:`"random"` without :obj:`split_column`)
        time_column (str, optional): The column of times, as numbers, dates or ISO 8601 strings, for
            the splits :obj:`"last"` and :obj:`"time"`. (default: :obj:`None`)
        ratios (tuple[float, ...]): The shares of training, validation and test
            interactions for the splits :obj:`"random"` and :obj:`"time"`; :obj:`(1, 0, 0)` holds
            nothing out. (default: :obj:`(0.8, 0.1, 0.1)`)
        seed (int): The seed of the split: of :obj:`"random"`, and of the order of interactions
            at the same time in the others. No split depends on the order of the rows.
            (default: :obj:`0`)
        items (sequence, optional): The ids of all candidate items.
            (default: those with interactions)
        root (str or os.PathLike, optional): The folder for processed data; :obj:`None` stores
            nothing. (default: :obj:`None`)
        name (str): The name of the data set. (default: :obj:`"table"`)
        transform, pre_transform, force_reload (optional): See :class:`HeteroDataset`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a table is invalid: missing columns, missing ids, unknown labels, repeated
            pairs, an empty split, repeated feature ids, or features that are not finite.

    Example:
        >>> import pandas as pd
        >>> users, items = ["ann"] * 3 + ["bob"] * 3, ["tea", "milk", "rum"] * 2
        >>> interactions = pd.DataFrame({"user": users, "item": items, "day": [1, 2, 3, 1, 3, 2]})
        >>> data = TableDataset(interactions, split="last", time_column="day")[0]
        >>> data["item"].id[data["user", "interacts", "item"].test_edge_label_index[1]]
        array(['rum', 'milk'], dtype='<U4')
    """

    def __init__(
        self,
        interactions: TableSource,
        features: Mapping[str, FeatureSource] | None = None,
        *,
        user_column: str = "user",
        item_column: str = "item",
        split_column: str | None = None,
        split: str | None = None,
        time_column: str | None = None,
        ratios: tuple[float, ...] = (0.8, 0.1, 0.1),
        seed: int = 0,
        items: Sequence[Any] | None = None,
        root: str | os.PathLike[str] | None = None,
        name: str = "table",
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        force_reload: bool = False,
    ) -> None:
        check_split(split_column, split, time_column, ratios)
        extra = [column for column in (split_column, time_column) if column is not None]
        columns = [user_column, item_column, *extra]
        if len(set(columns)) < len(columns):
            raise ValueError(f"The columns must differ from each other (got {columns})")
        table = read_table(interactions, "interactions", [user_column, item_column], extra)
        table.refuse_empty()
        user, item = table.ids(user_column), table.ids(item_column)
        item_position, item_id = item
        if items is not None:
            item_id = read_ids(list(items), lambda i: f"'items', position {i}").values
            item_position = find_ids(item.values, item_id)[item.position]
            table.refuse(item_position < 0, "the item is not one of 'items'")
        check_pairs(user.position, item_position, table.where)
        if split_column is not None:
            label = read_labels(table, split_column)
        else:
            time = None if time_column is None else read_times(table, time_column)
            pairs = user, Ids(item_position, item_id)
            label = split_pairs(*pairs, split or "random", time, ratios, seed)

        tensors, num_ignored = {}, 0
        for modality, source in (features or {}).items():
            tensors[modality], ignored = read_features(modality, source, item_column, item_id)
            num_ignored += ignored
        self._data_read = to_hetero_data(
            *(user.position, item_position, label, len(user.values), item_id, user.values, tensors),
            source=f"'interactions' of {name!r}",
            holds_out=tuple(ratios) != ALL_TRAIN,
        )
        self._data_read.num_ignored_feature_rows = num_ignored
        super().__init__(root, name, transform, pre_transform, force_reload)
        del self._data_read

    def fingerprint(self) -> dict[str, Any]:
        """Returns the digests of all tensors and arrays of the data."""
        return {
            "content": [
                [kind, name, value if isinstance(value, int) else array_digest(np.asarray(value))]
                for kind, store in typed_stores(self._data_read)
                for name, value in store.items()
            ]
        }

    def read(self) -> HeteroData:
        """Returns the data that was read from the tables."""
        return self._data_read
