"""Data in other layouts, as a table of interactions with features and candidate items."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from torch_geometric.data import HeteroData

from soil_pyg.datasets import atomic_files, movielens_folder
from soil_pyg.datasets.atomic_files import atomic_fields, read_atomic_file
from soil_pyg.datasets.features import FeatureSource, feature_files, open_features
from soil_pyg.datasets.frames import Table, TableSource, read_table
from soil_pyg.datasets.graph_source import load_graph, source_of_graph
from soil_pyg.datasets.id_mapping import FILES as ID_FILES
from soil_pyg.datasets.id_mapping import mapped_ids
from soil_pyg.datasets.movielens_folder import (
    FILES,
    movies_file,
    ratings_file,
    read_movies,
    read_ratings,
)
from soil_pyg.datasets.multimodal import COLUMNS, candidates, read_pairs
from soil_pyg.datasets.source import SPLIT, Source
from soil_pyg.datasets.text_files import split_suffix
from soil_pyg.typing import ITEM, USER


@dataclass(frozen=True)
class Known:
    """Holds what a layout says by itself: columns of ratings and times, and the table of items."""

    rating_column: str | None = None
    time_column: str | None = None
    items: Table | None = None
    item_file: Path | None = None


def known_layout(source: TableSource | HeteroData, item_column: str) -> Known:
    """Returns what a folder of MovieLens or a file or folder of RecBole says by itself.

    Raises :class:`ValueError` if its table of items is malformed.
    """
    if not isinstance(source, str | os.PathLike):
        return Known()
    path, items = Path(source).expanduser(), item_file(source)
    if path.is_dir() and ratings_file(path) is not None:
        known = Known(movielens_folder.RATING, movielens_folder.TIME)
        if items is None:
            return known
        return replace(known, items=read_movies(items, item_column), item_file=items)
    fields = atomic_fields(_interaction_file(path))
    rating, time = (
        name if name in fields else None for name in (atomic_files.RATING, atomic_files.TIME)
    )
    known = Known(rating, time)
    if items is None:
        return known
    table = read_atomic_file(items, "items", {atomic_files.ITEM: item_column})
    return replace(known, items=table, item_file=items)


def item_file(source: object) -> Path | None:
    """Returns the table of items that a folder of MovieLens, or a file or folder of RecBole, has
    beside its interactions, :obj:`None` if there is none.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source).expanduser()
    if path.is_dir() and (ratings := ratings_file(path)) is not None:
        movies = movies_file(ratings)
        return movies if movies.is_file() else None
    path = _interaction_file(path)
    items = path.with_suffix(".item")
    return items if atomic_fields(path) and atomic_fields(items) else None


def _interaction_file(path: Path) -> Path:
    """Returns the interaction file of a folder in the layout of MMRec or RecBole."""
    path = Path(os.path.abspath(path))
    return path / f"{path.name}.inter" if path.is_dir() else path


def read_source(
    source: TableSource | HeteroData, user_column: str, item_column: str, columns: list[str]
) -> Source:
    """Reads a table, a folder in the layout of MMRec, MovieLens or RecBole, or a heterogeneous
    graph.

    A graph in a file was saved by :func:`~soil_pyg.datasets.storage.save_data`
    (:obj:`.safetensors`) or by :obj:`torch.save`, as it is or as a dictionary (:obj:`.pt`); only
    tensors and plain values are unpickled. The further columns are read from tables alone. Raises
    :class:`FileNotFoundError` or :class:`ValueError` if the file cannot be read.
    """
    if isinstance(source, HeteroData):
        return source_of_graph(source, "HeteroData", user_column, item_column)
    if isinstance(source, pd.DataFrame):
        table = read_table(source, "interactions", [user_column, item_column], columns)
        return Source(table, "table")
    path = Path(source).expanduser()
    ratings = ratings_file(path) if path.is_dir() else None
    if ratings is not None:
        table = read_ratings(ratings, user_column, item_column)
        name = Path(os.path.abspath(path)).name
        return Source(table, name, files={"interactions": ratings})
    file = _interaction_file(path)
    if atomic_fields(file):
        ids = {atomic_files.USER: user_column, atomic_files.ITEM: item_column}
        table = read_atomic_file(file, "interactions", ids, columns)
        return Source(table, file.stem, files={"interactions": file})
    if path.is_dir():
        return _from_mmrec(file, user_column, item_column, columns)
    if path.suffix.lower() in (".pt", ".safetensors") and path.is_file():
        data = load_graph(path)
        read = source_of_graph(data, str(path), user_column, item_column)
        read.name = str(data["name"]) if "name" in data else path.stem
    else:
        table = read_table(path, "interactions", [user_column, item_column], columns)
        read = Source(table, split_suffix(path)[0])
    read.files["interactions"] = path
    return read


def _from_mmrec(path: Path, user_column: str, item_column: str, columns: list[str]) -> Source:
    folder = path.parent
    if not path.is_file():
        raise FileNotFoundError(
            f"'{folder}' has no {path.name}: give a table or a folder in the layout of MMRec, "
            f"MovieLens ({', '.join(FILES)}) or RecBole"
        )
    paths = feature_files(folder)
    matrices, num_rows = open_features(paths)
    table = read_pairs(path, num_rows, [column for column in columns if column not in COLUMNS])
    user, item = (table.frame[column].to_numpy() for column in COLUMNS[:2])
    items = mapped_ids(folder, ITEM, candidates(item, num_rows))
    frame = table.frame.drop(columns=list(COLUMNS[:2])).rename(columns={COLUMNS[2]: SPLIT})
    frame.insert(0, user_column, mapped_ids(folder, USER, user))
    frame.insert(1, item_column, items[item])
    table = table._replace(frame=frame)
    features: dict[str, FeatureSource] = {
        modality: (matrix, items, paths[modality]) for modality, matrix in matrices.items()
    }
    others = {f"ids.{kind}": folder / name for kind, name in ID_FILES.items()}
    files = {"interactions": path, **{f"features.{name}": file for name, file in paths.items()}}
    files |= {name: file for name, file in others.items() if file.is_file()}
    return Source(table, folder.name, SPLIT, features, items, files)
