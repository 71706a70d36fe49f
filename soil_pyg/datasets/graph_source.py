"""Heterogeneous graphs as a source of interactions."""

import re
import warnings
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

from soil_pyg.datasets.features import FeatureSource
from soil_pyg.datasets.frames import Table
from soil_pyg.datasets.growth import GrowthError, check_growth
from soil_pyg.datasets.ids import read_ids
from soil_pyg.datasets.source import SPLIT, Source
from soil_pyg.datasets.storage import load_data
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, SPLITS, USER, features_of
from soil_pyg.utils.hetero import has_edges

_MAX_NODES = 10**9 - 1
_REMEDY = "save tensors that hold all of their values, without compression"
_HETERO_CLASSES = [BaseStorage, GlobalStorage, NodeStorage, EdgeStorage]


def load_graph(path: Path) -> HeteroData:
    """Returns the heterogeneous graph in a file; only tensors and plain values are unpickled.

    Raises :class:`ValueError` if the file holds anything else.
    """
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


def source_of_graph(data: HeteroData, where: str, user_column: str, item_column: str) -> Source:
    """Returns the interactions, ids and features of a heterogeneous graph; :obj:`where` is its
    origin, for the error.

    Raises :class:`ValueError` if the graph has no interactions, or a part of it cannot be right.
    """
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
