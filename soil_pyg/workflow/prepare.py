import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import new_folder, save_data_folder
from soil_pyg.datasets.frames import ColumnError, TableSource, find_ids, read_ids
from soil_pyg.datasets.item_table import ItemTable
from soil_pyg.datasets.layouts import Source, read_source
from soil_pyg.datasets.modality_source import ModalitySource, file_of, resolve_features
from soil_pyg.datasets.select_pairs import Selection, select_pairs
from soil_pyg.datasets.split import check_split
from soil_pyg.datasets.summary import counts, modalities, plain, untrained
from soil_pyg.datasets.table import TableDataset
from soil_pyg.utils.checks import check_at_least
from soil_pyg.utils.files import file_digest


def prepare(
    interactions: TableSource | HeteroData,
    out: str | os.PathLike[str],
    features: Mapping[str, ModalitySource] | None = None,
    *,
    items: TableSource | None = None,
    item_ids: Sequence[Any] | str | os.PathLike[str] | None = None,
    user_column: str = "user",
    item_column: str = "item",
    rating_column: str | None = None,
    min_rating: float | None = None,
    time_column: str | None = None,
    split_column: str | None = None,
    split: str | None = None,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    k_core: int = 1,
    title_column: str | None = None,
    image_column: str | None = None,
    image_folder: str | os.PathLike[str] | None = None,
    keep_items: bool = False,
    name: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    r"""Makes a data folder of interactions and of the features of items.

    The steps are: drop interactions with a low rating, merge repeated pairs of user and item, drop
    users and items with few interactions, split, and drop users without training interactions. The
    folder is written beside its place and put there when it is complete.

    Args:
        interactions (pandas.DataFrame, str, os.PathLike or HeteroData): The interactions, one a
            row: a data frame; a :obj:`.csv`, :obj:`.tsv`, :obj:`.parquet` or :obj:`.jsonl` file; a
            folder in the layout of MMRec, with its features and its split; or a heterogeneous graph
            like those of :mod:`soil_pyg.datasets`, itself or in a :obj:`.pt` or
            :obj:`.safetensors` file.
        out (str or os.PathLike): The folder to make.
        features (mapping, optional): By modality, the features of the items: a :obj:`.npy` file; a
            table or its file with the column :obj:`item_column` and one column of vectors or
            columns of numbers; a pair of a matrix and the ids of its rows; or an
            :class:`~soil_pyg.datasets.encoder.Encoder`. Items without a row, without any value in
            it, or with zeros lack the modality. (default: :obj:`None`)
        items (pandas.DataFrame, str or os.PathLike, optional): A table of items with the column
            :obj:`item_column`, such as of titles and pictures. (default: :obj:`None`)
        item_ids (sequence, str or os.PathLike, optional): The ids of the rows of :obj:`.npy` files,
            or a file of them: :obj:`.txt` with one a line, :obj:`.npy`, or a table.
            (default: those of :obj:`items`)
        user_column (str): Column of the user ids. (default: :obj:`"user"`)
        item_column (str): Column of the item ids. (default: :obj:`"item"`)
        rating_column (str, optional): Column of ratings. (default: :obj:`None`)
        min_rating (float, optional): The least rating to keep. (default: :obj:`None`)
        time_column (str, optional): Column of times, as numbers, dates or ISO 8601 strings. Of
            repeated pairs the latest is kept. (default: :obj:`None`)
        split_column (str, optional): Column of a given split, as in
            :class:`~soil_pyg.datasets.TableDataset`; repeated pairs are refused then.
            (default: :obj:`None`)
        split (str, optional): How to make a split: :obj:`"random"`, for each user;
            :obj:`"last"`, the last two interactions of each user; :obj:`"time"`, all interactions
            at two points in time. (default: :obj:`"random"`, or the given one)
        ratios (tuple[float, float, float]): Shares of training, validation and test interactions.
            (default: :obj:`(0.8, 0.1, 0.1)`)
        seed (int): Seed of the split :obj:`"random"`. (default: :obj:`0`)
        k_core (int): The least number of interactions of every user and of every item.
            (default: :obj:`1`)
        title_column (str, optional): Column of titles in :obj:`items`.
            (default: :obj:`"title"`, if there)
        image_column (str, optional): Column of paths or addresses of pictures in :obj:`items`.
            (default: :obj:`"image"`, if there)
        image_folder (str or os.PathLike, optional): Where relative paths of pictures begin.
            (default: the folder of the file of :obj:`items`)
        keep_items (bool): Whether items of :obj:`items` without interactions stay as candidates.
            (default: :obj:`False`)
        name (str, optional): Name of the data. (default: that of the file or folder)
        overwrite (bool): Whether to replace a data folder. (default: :obj:`False`)

    Returns:
        How the data was prepared: the content of :obj:`prepare.json`, with the :obj:`"counts"` that
        are left, what was :obj:`"dropped"` and why, and the :obj:`"modalities"`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If options do not fit together or a file cannot be right; the error names the
            file, the line or row, and the column.

    Example:
        >>> import pandas as pd, tempfile
        >>> users, things = ["ann"] * 3 + ["bob"] * 3, ["tea", "milk", "rum"] * 2
        >>> frame = pd.DataFrame({"user": users, "item": things, "stars": [5, 4, 4, 3, 5, 4]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prepared = prepare(frame, folder, rating_column="stars", min_rating=4)
        >>> prepared["dropped"][0]
        {'why': 'stars below 4', 'users': 0, 'items': 0, 'pairs': 1}
    """
    arguments = {key: plain(value) for key, value in locals().items() if key != "out"}
    columns = _check(
        *(user_column, item_column, rating_column, min_rating, time_column, split_column, split),
        *(ratios, k_core),
    )
    check_at_least("seed", seed, 0)
    if keep_items and (items is None or k_core > 1):
        raise ValueError("'keep_items' needs 'items' and must not be given with 'k_core'")
    with new_folder(out, overwrite) as folder:
        table = None
        if items is not None:
            table = ItemTable(items, item_column, title_column, image_column, image_folder)
        source = _read(interactions, columns)
        if source.split_column is not None and (split, split_column) == (None, None):
            split_column = source.split_column
        pairs = select_pairs(
            *(source.table, user_column, item_column, rating_column, min_rating),
            *(time_column, split_column, k_core),
        )
        item_id = _candidates(pairs, source, table if keep_items else None, k_core)
        resolved = dict(source.features)
        for modality, given in (features or {}).items():
            resolved[modality] = resolve_features(
                modality, given, item_id, table, item_ids, item_column
            )
        data = TableDataset(
            *(pairs.frame, resolved),
            user_column=user_column,
            item_column=item_column,
            split_column=split_column,
            split=split,
            time_column=time_column,
            ratios=ratios,
            seed=seed,
            items=item_id.tolist(),
            name=source.name if name is None else name,
        )[0]
        files = source.files | _files(features or {}, items, item_ids)
        description = {
            "name": data.name,
            "digest": data.digest,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "arguments": arguments,
            "sources": {
                key: {"file": str(path.absolute()), "sha256": file_digest(path)}
                for key, path in files.items()
            },
            "read": pairs.read,
            "dropped": [asdict(step) for step in [*pairs.dropped, untrained(data, pairs)]],
            "counts": counts(data),
            "ignored_feature_rows": data.num_ignored_feature_rows,
            "modalities": modalities(data, features or {}),
        }
        selected = None
        if table is not None:
            selected = table.select(item_id)
            description["items_without_row"] = int((find_ids(item_id, table.ids) < 0).sum())
        return save_data_folder(folder, data, selected, description)


def _check(
    user_column: str,
    item_column: str,
    rating_column: str | None,
    min_rating: float | None,
    time_column: str | None,
    split_column: str | None,
    split: str | None,
    ratios: tuple[float, float, float],
    k_core: int,
) -> dict[str, str]:
    """Refuses options that do not fit together, and returns the columns by their options."""
    check_split(split_column, split, time_column, ratios)
    check_at_least("k_core", k_core, 1)
    if (rating_column is None) != (min_rating is None):
        raise ValueError(
            "'rating_column' (--rating-column) and 'min_rating' (--min-rating) must be given "
            f"together (got {rating_column!r} and {min_rating!r})"
        )
    columns = {
        "user_column": user_column,
        "item_column": item_column,
        "rating_column": rating_column,
        "time_column": time_column,
        "split_column": split_column,
    }
    given = {option: column for option, column in columns.items() if column is not None}
    if len(set(given.values())) < len(given):
        raise ValueError(f"The options must name a column each (got {given})")
    return given


def _read(interactions: TableSource | HeteroData, columns: dict[str, str]) -> Source:
    user_column, item_column, *others = columns.values()
    try:
        return read_source(interactions, user_column, item_column, others)
    except ColumnError as error:
        options = [option for option, column in columns.items() if column == error.column]
        if not options:
            raise
        flag = f"--{options[0].replace('_', '-')}"
        raise ValueError(f"{error}: name another with '{options[0]}' ({flag})") from error


def _candidates(
    pairs: Selection, source: Source, table: ItemTable | None, k_core: int
) -> np.ndarray:
    """Returns the ids of all items: those with interactions, and those to keep without any."""
    others = [] if table is None else [table.ids]
    if source.items is not None and k_core == 1:
        others.append(source.items)
    ids = pairs.item_id.tolist()
    for more in others:
        ids += more[find_ids(more, np.array(ids)) < 0].tolist()
    return read_ids(ids, lambda i: f"item {ids[i]!r}").values


def _files(features: Mapping[str, ModalitySource], items: Any, item_ids: Any) -> dict[str, Path]:
    sources = {f"features.{modality}": source for modality, source in features.items()}
    found = {"items": items, "item_ids": item_ids, **sources}
    return {key: path for key, source in found.items() if (path := file_of(source)) is not None}
