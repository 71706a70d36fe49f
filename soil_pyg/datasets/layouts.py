"""Data in other layouts, as a table of interactions with features and candidate items."""

import os
import re
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter
from zipfile import ZipFile, is_zipfile

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import BaseStorage, EdgeStorage, GlobalStorage, NodeStorage

from soil_pyg.datasets import atomic_files, movielens_folder
from soil_pyg.datasets.atomic_files import atomic_fields, read_atomic_file
from soil_pyg.datasets.features import FeatureSource, feature_files, open_features
from soil_pyg.datasets.frames import Table, TableSource, read_table
from soil_pyg.datasets.growth import GrowthError, check_growth
from soil_pyg.datasets.ids import read_ids
from soil_pyg.datasets.movielens_folder import (
    FILES,
    movies_file,
    ratings_file,
    read_movies,
    read_ratings,
)
from soil_pyg.datasets.multimodal import COLUMNS, candidates, read_pairs
from soil_pyg.datasets.storage import load_data
from soil_pyg.datasets.text_files import split_suffix
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, SPLITS, USER, features_of
from soil_pyg.utils.hetero import has_edges

SPLIT = COLUMNS[2]
"""The column of a split that the layout has."""
_MAX_NODES = 10**9 - 1
_REMEDY = "save tensors that hold all of their values, without compression"
_HETERO_CLASSES = [BaseStorage, GlobalStorage, NodeStorage, EdgeStorage]


@dataclass
class Source:
    """Interactions as read, before any are dropped, with the features and items of the layout."""

    table: Table
    name: str
    split_column: str | None = None
    features: dict[str, FeatureSource] = field(default_factory=dict)
    items: np.ndarray | None = None
    files: dict[str, Path] = field(default_factory=dict)
    """The files that were read, by content."""


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
        return _from_hetero_data(source, "HeteroData", user_column, item_column)
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
        data = _load_hetero_data(path)
        read = _from_hetero_data(data, str(path), user_column, item_column)
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
    items = candidates(table.frame[COLUMNS[1]].to_numpy(), num_rows)
    names = dict(zip(COLUMNS, (user_column, item_column, SPLIT), strict=True))
    table = table._replace(frame=table.frame.rename(columns=names))
    features: dict[str, FeatureSource] = {
        modality: (matrix, items, paths[modality]) for modality, matrix in matrices.items()
    }
    files = {"interactions": path, **{f"features.{name}": file for name, file in paths.items()}}
    return Source(table, folder.name, SPLIT, features, items, files)


def _load_hetero_data(path: Path) -> HeteroData:
    if path.suffix.lower() == ".safetensors":
        return load_data(path)
    try:
        if is_zipfile(path):
            with ZipFile(path) as file:
                check_growth(path, sum(part.file_size for part in file.infolist()), _REMEDY)
        with torch.serialization.safe_globals(_HETERO_CLASSES), catch_warnings():
            simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
        data = HeteroData.from_dict(content) if isinstance(content, dict) else content
    except GrowthError:
        raise
    except Exception as error:
        # Damaged files raise errors of any type.
        found = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
        reason = f"it has a {found[1]}" if found else str(error).partition("\n")[0]
        raise ValueError(
            f"{path} must hold a HeteroData of tensors and plain values, such as lists of ids: "
            f"{reason}"
        ) from error
    if not isinstance(data, HeteroData):
        raise ValueError(f"{path} holds no HeteroData (got {type(data).__name__})")
    tensors = [x for store in data.stores for x in store.values() if isinstance(x, Tensor)]
    # A view of a single value may have any size.
    check_growth(path, sum(x.numel() * x.element_size() for x in tensors), _REMEDY)
    return data


def _from_hetero_data(data: HeteroData, where: str, user_column: str, item_column: str) -> Source:
    if not has_edges(data, INTERACTS):
        raise ValueError(
            f"{where}: the edge type {INTERACTS} must have an 'edge_index' "
            f"(got edge types {data.edge_types})"
        )
    ids = {kind: _ids(data, kind, where) for kind in (USER, ITEM)}
    edges = {
        name: _edges(data[INTERACTS][name], f"{where}: {name!r}")
        for name in EDGE_INDICES
        if name in data[INTERACTS]
    }
    if len(edges) not in (1, len(EDGE_INDICES)):
        raise ValueError(
            f"{where}: the edge type {INTERACTS} must have all of {', '.join(EDGE_INDICES)}, or "
            f"'edge_index' alone, which is to be split (got {', '.join(edges)})"
        )
    pairs = torch.cat(list(edges.values()), dim=1).cpu().numpy()
    if pairs.size == 0:
        raise ValueError(f"{where} has no edges of the type {INTERACTS}")
    label = np.repeat(
        [EDGE_INDICES.index(name) for name in edges], [e.size(1) for e in edges.values()]
    )
    for kind, index in zip((USER, ITEM), pairs, strict=True):
        if index.size and not 0 <= index.min() <= index.max() < len(ids[kind]):
            raise ValueError(
                f"{where}: each {kind} of an edge must be from 0 to {len(ids[kind]) - 1}"
            )
    frame = pd.DataFrame(
        {user_column: ids[USER][pairs[0]], item_column: ids[ITEM][pairs[1]], SPLIT: label}
    )
    table = Table(frame, lambda i: f"{where}, the {SPLITS[label[i]]} edge {i}", False)
    features: dict[str, FeatureSource] = {
        modality: (x, ids[ITEM]) for modality, x in features_of(data).items()
    }
    for kind in (USER, ITEM):
        if "x" in data[kind]:
            warnings.warn(
                f"{where}: 'x' of {kind!r} is not read; name it 'x_<modality>'", stacklevel=2
            )
    has_split = len(edges) == len(EDGE_INDICES)
    return Source(table, where, SPLIT if has_split else None, features, ids[ITEM])


def _ids(data: HeteroData, kind: str, where: str) -> np.ndarray:
    num_nodes = data[kind].num_nodes
    if not isinstance(num_nodes, int) or not 0 <= num_nodes <= _MAX_NODES:
        raise ValueError(
            f"{where}: data[{kind!r}] must have 'num_nodes' up to {_MAX_NODES} (got {num_nodes!r})"
        )
    if "id" not in data[kind]:
        return np.arange(num_nodes)
    given = data[kind].id
    listed = given.tolist() if isinstance(given, np.ndarray | torch.Tensor) else list(given)
    if len(listed) != num_nodes:
        raise ValueError(f"{where}: data[{kind!r}] has {num_nodes} nodes and {len(listed)} ids")
    ids = read_ids(listed, lambda i: f"{where}: data[{kind!r}].id[{i}]")
    repeated = pd.Index(ids.position).duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        raise ValueError(f"{where}: data[{kind!r}].id[{row}] occurs twice (got {listed[row]!r})")
    found: np.ndarray = ids.values[ids.position]
    return found


def _edges(edges: Any, name: str) -> Tensor:
    is_dense = isinstance(edges, Tensor) and edges.layout is torch.strided
    is_tensor = is_dense and edges.dim() == 2 and edges.size(0) == 2
    if not is_tensor or edges.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8):
        kind = type(edges).__name__
        got = f"{edges.dtype} of shape {tuple(edges.shape)}" if kind == "Tensor" else kind
        raise ValueError(f"{name} must be a tensor of integers of shape (2, num_edges) (got {got})")
    found: Tensor = edges
    return found
