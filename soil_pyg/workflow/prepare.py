import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import new_folder, save_data_folder
from soil_pyg.datasets.encoder_states import save_states
from soil_pyg.datasets.frames import TableSource
from soil_pyg.datasets.ids import find_ids
from soil_pyg.datasets.item_table import ItemTable
from soil_pyg.datasets.known_split import KnownSplit
from soil_pyg.datasets.layouts import known_layout
from soil_pyg.datasets.modality_source import (
    ModalitySource,
    file_of,
    resolve_features,
    with_pictures,
)
from soil_pyg.datasets.select_pairs import select_pairs
from soil_pyg.datasets.split import TIMED
from soil_pyg.datasets.split_rule import SplitRule
from soil_pyg.datasets.summary import (
    counts,
    log_suspect_ids,
    log_warnings,
    modalities,
    plain,
    untrained,
)
from soil_pyg.datasets.table import TableDataset
from soil_pyg.utils.files import file_digest
from soil_pyg.workflow.prepare_arguments import (
    check_arguments,
    check_interactions,
    given_columns,
)
from soil_pyg.workflow.prepare_steps import (
    candidate_ids,
    features_like,
    read_interactions,
    warn_of_lost,
)


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
    ratios: tuple[float, float, float] | None = None,
    seed: int | None = None,
    like: str | os.PathLike[str] | None = None,
    k_core: int = 1,
    title_column: str | None = None,
    image_column: str | None = None,
    image_folder: str | os.PathLike[str] | None = None,
    keep_items: bool = False,
    name: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    r"""Writes a data folder from interactions and item features.

    In this order, it drops interactions with a low rating, merges repeated pairs of user and item,
    drops users and items with few interactions, splits the rest, and drops users without training
    interactions. The folder is written atomically.

    Args:
        interactions (pandas.DataFrame, str, os.PathLike or HeteroData): The interactions as a data
            frame or a :obj:`.csv`, :obj:`.tsv`, :obj:`.parquet` or :obj:`.jsonl` file with one row
            per interaction; or a folder in the layout of MMRec, with its features and its split;
            or a folder of MovieLens, or a folder or file of RecBole, whose ratings, times and items
            are used unless others are given; or a heterogeneous graph like those of
            :mod:`soil_pyg.datasets`, in memory or in a :obj:`.pt` or :obj:`.safetensors` file.
        out (str or os.PathLike): The folder to create.
        features (mapping, optional): The item features per modality: a :obj:`.npy` file; a table
            or its file with the column :obj:`item_column` and one column of vectors or several of
            numbers; a pair of a matrix and the ids of its rows; or an
            :class:`~soil_pyg.datasets.encoder.Encoder`. A modality is missing for items without a
            row, or with a row that is empty or zero. (default: :obj:`None`)
        items (pandas.DataFrame, str or os.PathLike, optional): A table of items with the column
            :obj:`item_column` and, for example, titles and pictures. (default: :obj:`None`)
        item_ids (sequence, str or os.PathLike, optional): The ids of the rows of :obj:`.npy` files,
            or a file of them: :obj:`.txt` with one id per line, :obj:`.npy`, or a table.
            (default: those of :obj:`items`)
        user_column (str): The column of user ids. (default: :obj:`"user"`)
        item_column (str): The column of item ids. (default: :obj:`"item"`)
        rating_column (str, optional): The column of ratings. (default: :obj:`None`)
        min_rating (float, optional): The minimum rating to keep. (default: :obj:`None`)
        time_column (str, optional): The column of times, as numbers, dates or ISO 8601 strings. Of
            repeated pairs the latest is kept. (default: :obj:`None`)
        split_column (str, optional): The column of a given split, as in
            :class:`~soil_pyg.datasets.TableDataset`. Repeated pairs are then an error.
            (default: :obj:`None`)
        split (str, optional): The kind of split: :obj:`"random"` per user; :obj:`"last"` holds out
            the last two interactions of each user; :obj:`"time"` cuts all interactions at two
            points in time. Interactions at the same time are ordered by a hash of the ids and the
            seed. (default: that of :obj:`like`, the given split, or :obj:`"random"`)
        ratios (tuple[float, float, float], optional): The shares of train, val and test for the
            splits :obj:`"random"` and :obj:`"time"`; :obj:`(1, 0, 0)` holds nothing out, for
            :obj:`final` of :func:`soil_pyg.train`.
            (default: those of :obj:`like`, or :obj:`(0.8, 0.1, 0.1)`)
        seed (int, optional): The seed of the split. (default: that of :obj:`like`, or :obj:`0`)
        like (str or os.PathLike, optional): A data folder of earlier interactions, which
            :obj:`interactions` repeat. Each pair that is known to it keeps its split, and only new
            pairs are split: with :obj:`"random"`, each is held out as often as without known
            pairs; with :obj:`"last"` and :obj:`"time"`, the new pairs are split among themselves,
            and known pairs stay in their split although later ones follow. Encoders that were
            fitted to its items, such as :class:`~soil_pyg.encoders.TfidfEncoder`, stay as they
            are. May be :obj:`out`.
            (default: :obj:`None`)
        k_core (int): The minimum number of interactions per user and per item.
            (default: :obj:`1`)
        title_column (str, optional): The column of titles in :obj:`items`.
            (default: :obj:`"title"`, if it exists)
        image_column (str, optional): The column of picture paths or URLs in :obj:`items`.
            (default: :obj:`"image"`, if it exists, or the pictures that are encoded)
        image_folder (str or os.PathLike, optional): The folder of relative picture paths.
            (default: the folder of the file :obj:`items`)
        keep_items (bool): Whether to keep items of :obj:`items` without interactions as
            candidates. (default: :obj:`False`)
        name (str, optional): The name of the data. (default: that of the file or folder)
        overwrite (bool): Whether to replace an existing data folder. (default: :obj:`False`)

    Returns:
        The content of :obj:`prepare.json`: among others the :obj:`"counts"` of users, items and
        interactions per split, the :obj:`"dropped"` interactions per step, the
        :obj:`"modalities"`, the :obj:`"tied"` pairs, whose place in a held-out split was decided by
        the order of equal times, and their share of the held-out pairs that were split. With
        :obj:`like`, the entry of this name counts per split the pairs that are known and
        :obj:`"kept"`, those that are :obj:`"new"`, and the known ones that are :obj:`"gone"`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If options contradict each other or a file is malformed. The error names the
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
    check_interactions(locals())
    arguments = plain({key: value for key, value in locals().items() if key != "out"})
    known = known_layout(interactions, item_column)
    item_source = known.items if items is None else items
    if min_rating is not None:
        rating_column = rating_column or known.rating_column
    if split in TIMED:
        time_column = time_column or known.time_column
    check_arguments(locals() | {"items": item_source})
    arguments["rating_column"] = rating_column
    features = dict(features or {})
    rule = SplitRule.resolve(
        *(split, split_column, time_column, ratios, seed),
        None if like is None else KnownSplit.load(like),
    )
    if like is not None and rule.known is not None:
        features = features_like(features, like, rule.known, arguments)
    columns = given_columns(
        user_column=user_column,
        item_column=item_column,
        rating_column=rating_column,
        time_column=rule.time_column,
        split_column=rule.split_column,
    )
    with new_folder(out, overwrite) as folder:
        table = None
        if item_source is not None:
            if items is None and image_folder is None and known.item_file is not None:
                image_folder = known.item_file.parent
            table = ItemTable(item_source, item_column, title_column, image_column, image_folder)
        source = read_interactions(interactions, columns)
        if source.split_column is not None and (split, split_column, like) == (None, None, None):
            rule = rule.given(source.split_column, ratios)
        pairs = select_pairs(
            *(source.table, user_column, item_column, rating_column, min_rating),
            *(rule.time_column, rule.split_column, k_core),
        )
        # The rows as they were read are no longer needed.
        del source.table
        item_id = candidate_ids(pairs, source, table if keep_items else None, k_core)
        resolved = dict(source.features)
        for modality, given in features.items():
            resolved[modality] = resolve_features(
                modality, given, item_id, table, item_ids, item_column
            )
        frame, label_column, made = rule.apply(pairs.frame, user_column, item_column, item_id)
        data = TableDataset(
            *(frame, resolved),
            user_column=user_column,
            item_column=item_column,
            split_column=label_column,
            ratios=rule.ratios,
            items=item_id.tolist(),
            # A file may have a name that is no text.
            name=source.name.encode(errors="backslashreplace").decode() if name is None else name,
        )[0]
        sources: dict[str, Any] = {"items": known.item_file if items is None else items}
        sources |= {"item_ids": item_ids}
        sources |= {f"features.{modality}": given for modality, given in features.items()}
        files = {key: path for key, given in sources.items() if (path := file_of(given))}
        description = {
            "name": data.name,
            "digest": data.digest,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "arguments": arguments | rule.arguments,
            "sources": {
                key: {"file": str(path.absolute()), "sha256": file_digest(path)}
                for key, path in (source.files | files).items()
            },
            "read": pairs.read,
            "dropped": [asdict(step) for step in [*pairs.dropped, untrained(data, pairs)]],
            "counts": counts(data),
            **made,
            "ignored_feature_rows": data.num_ignored_feature_rows,
            "modalities": modalities(data, features),
        }
        selected = with_pictures(
            None if table is None else table.select(item_id), item_id, features
        )
        if table is not None:
            description["items_without_row"] = int((find_ids(item_id, table.ids) < 0).sum())
        save_states(features, folder)
        saved = save_data_folder(folder, data, selected, description)
    log_warnings(saved, features)
    if like is not None and rule.known is not None:
        warn_of_lost(rule.known, saved["modalities"], like)
    log_suspect_ids(data)
    return saved
