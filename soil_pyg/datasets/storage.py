"""Stores a :obj:`HeteroData` as one safetensors file, with JSON in its header and no pickles."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType, NodeType

from soil_pyg.utils.files import atomic_path

FORMAT = "soil_pyg.HeteroData.1"


def save_data(data: HeteroData, path: str | os.PathLike[str]) -> None:
    """Saves a heterogeneous graph without pickles, atomically.

    Stored are dense tensors, :obj:`numpy` arrays of numbers and strings, and JSON values (strings,
    numbers, lists and dictionaries of them), in any node, edge or global store.

    Args:
        data (HeteroData): The data.
        path (str or os.PathLike): The file.

    Raises:
        TypeError: If an attribute is of another type.
    """
    tensors: dict[str, Tensor] = {}
    stores = []
    for kind, store in zip(store_keys(data), data.stores, strict=True):
        attributes = {}
        for key, value in store.items():
            try:
                attributes[key] = _encode(value, tensors)
            except TypeError as error:
                owner = "the data" if kind is None else f"data[{kind!r}]"
                raise TypeError(f"Cannot store '{key}' of {owner}: {error}") from None
        stores.append({"type": kind, "attributes": attributes})

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        # One entry: safetensors writes several in random order.
        write_tensors(tensors, temporary, {FORMAT: json.dumps(stores)})


def store_keys(data: HeteroData) -> list[NodeType | EdgeType | None]:
    """Returns the node or edge type of each of :obj:`data.stores`, :obj:`None` for the global one.

    Args:
        data (HeteroData): The data.
    """
    return [None, *data.node_types, *data.edge_types]


def load_data(path: str | os.PathLike[str]) -> HeteroData:
    """Loads what :meth:`save_data` has saved; nothing in the file is ever executed.

    Args:
        path (str or os.PathLike): The file.

    Raises:
        ValueError: If the file is not one that :meth:`save_data` has written completely.
    """
    data = HeteroData()
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if FORMAT not in metadata:
                raise ValueError(f"its format is not {FORMAT}")
            for stored in json.loads(metadata[FORMAT]):
                kind = stored["type"]
                store = data if kind is None else data[tuple(kind) if type(kind) is list else kind]
                for key, value in stored["attributes"].items():
                    store[key] = _decode(value, file)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a stored data set: {error}") from error
    return data


def write_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Writes a safetensors file.

    Args:
        tensors (dict[str, Tensor]): Dense tensors on the CPU that share no memory.
        path (pathlib.Path): The file.
        metadata (dict[str, str]): What to keep in its header.

    Raises:
        OSError: If it cannot be written.
    """
    try:
        safetensors.torch.save_file(tensors, path, metadata)
    except SafetensorError as error:
        # The number of the system's error is in the text alone.
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def _encode(value: Any, tensors: dict[str, Tensor]) -> dict[str, Any]:
    name = str(len(tensors))
    if isinstance(value, Tensor):
        if type(value) is not Tensor or value.layout is not torch.strided:
            raise TypeError(f"it is a {type(value).__name__} with layout {value.layout}, not dense")
        _check_dtype(value)
        value = value.detach().cpu().contiguous()
        shared = {tensor.untyped_storage().data_ptr() for tensor in tensors.values()}
        is_view = value.untyped_storage().nbytes() != value.nbytes
        # The format refuses tensors that share memory.
        tensors[name] = (
            value.clone() if is_view or value.untyped_storage().data_ptr() in shared else value
        )
        return {"tensor": name}
    if isinstance(value, np.ndarray):
        array = np.array(value, order="C")
        if array.dtype.kind == "U":
            tensors[name] = torch.from_numpy(array.reshape(-1).view(np.uint8))
            return {"strings": name, "dtype": array.dtype.str, "shape": array.shape}
        if array.dtype.kind not in "biuf" or not array.dtype.isnative:
            raise TypeError(f"it is an array of {array.dtype}, not of numbers or strings")
        tensors[name] = torch.from_numpy(array)
        _check_dtype(tensors[name])
        return {"array": name}
    if isinstance(value, np.generic):
        value = value.item()
    try:
        copy = json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise TypeError(f"it is a {type(value).__name__}, not a tensor or JSON value") from error
    if type(copy) is not type(value) or (copy != value and value == value):
        raise TypeError(f"JSON does not give this {type(value).__name__} back unchanged")
    return {"value": value}


def _check_dtype(tensor: Tensor) -> None:
    try:
        safetensors.torch.save({"": torch.empty(0, dtype=tensor.dtype)})
    except KeyError:
        raise TypeError(f"safetensors does not know the type {tensor.dtype}") from None


def _decode(value: dict[str, Any], file: Any) -> Any:
    if "tensor" in value:
        return file.get_tensor(value["tensor"])
    if "array" in value:
        return file.get_tensor(value["array"]).numpy()
    if "strings" in value:
        array = file.get_tensor(value["strings"]).numpy().view(value["dtype"])
        return array.reshape(value["shape"])
    return value["value"]
