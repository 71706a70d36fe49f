"""Stores a :obj:`HeteroData` in one safetensors file with JSON in its header, without pickles."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import BaseStorage
from torch_geometric.typing import EdgeType

from soil_pyg.datasets.schema import (
    ArrayValue,
    DataHeader,
    PlainValue,
    StringsValue,
    TensorValue,
    TextsValue,
)
from soil_pyg.datasets.tensors import read_tensors, write_tensors
from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.records import DamagedFileError, validate

FORMAT = "soil_pyg.HeteroData.2"
"""The key of the header entry, with the version of the format."""

FORMER = "soil_pyg.HeteroData.1"
"""The key of the header entry of files without a digest of their content."""

REMEDY = "prepare the data again ('soil-pyg prepare' with --overwrite, in Python overwrite=True)"


def save_data(data: HeteroData, path: str | os.PathLike[str]) -> None:
    """Saves a heterogeneous graph atomically and without pickles.

    The node, edge and global stores may hold dense tensors, :obj:`numpy` arrays of numbers and
    strings, and JSON values (strings, numbers, lists and dictionaries of them). Raises
    :class:`TypeError` if an attribute has another type.
    """
    tensors: dict[str, Tensor] = {}
    stores = []
    for kind, store in typed_stores(data):
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
        write_tensors(tensors, temporary, FORMAT, {"stores": stores})


def load_data(
    path: str | os.PathLike[str], remedy: str = REMEDY, verified: bool = False
) -> HeteroData:
    """Loads the data that :func:`save_data` has saved, without executing anything in the file.

    Tensors and arrays, those of long texts excepted, are mapped: they are read from the disk where
    they are used.

    Args:
        path (str or os.PathLike): The file.
        remedy (str, optional): The command that writes the file again, for errors.
            (default: to prepare the data again)
        verified (bool, optional): Whether the digest of the file has been compared already.
            (default: :obj:`False`)

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If :func:`save_data` has not written it or its content has changed since.
    """
    path, data = Path(path), HeteroData()
    tensors, content = read_tensors(path, (FORMAT, FORMER), remedy, verified)
    if isinstance(content, list):
        content = {"stores": content}
    header = validate(DataHeader, content, path, remedy)
    try:
        for stored in header.stores:
            kind = tuple(stored.type) if isinstance(stored.type, list) else stored.type
            store = data if kind is None else data[kind]
            for key, value in stored.attributes.items():
                store[key] = _decode(value, tensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, f"is not a stored data set ({error})", remedy) from error
    return data


def typed_stores(data: HeteroData) -> list[tuple[str | EdgeType | None, BaseStorage]]:
    """Returns the stores of a graph with their node or edge types, first the global one."""
    return list(zip([None, *data.node_types, *data.edge_types], data.stores, strict=True))


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
        is_shared = is_view or value.untyped_storage().data_ptr() in shared
        tensors[name] = value.clone() if is_shared else value
        return {"tensor": name}
    if isinstance(value, np.ndarray):
        array = np.asarray(value, order="C")
        if array.dtype.kind == "U":
            tensors[name] = torch.from_numpy(array.reshape(-1).view(np.uint8))
            return {"strings": name, "dtype": array.dtype.str, "shape": array.shape}
        if array.dtype == object and all(type(text) is str for text in array.flat):
            texts = [text.encode() for text in array.reshape(-1).tolist()]
            sizes = torch.tensor([len(text) for text in texts], dtype=torch.int64)
            tensors[name] = torch.from_numpy(np.frombuffer(b"".join(texts), np.uint8).copy())
            tensors[f"{name}.sizes"] = sizes
            return {"texts": name, "shape": array.shape}
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
        raise TypeError(f"JSON would change this {type(value).__name__}")
    return {"value": value}


def _check_dtype(tensor: Tensor) -> None:
    try:
        safetensors.torch.save({"": torch.empty(0, dtype=tensor.dtype)})
    except KeyError:
        raise TypeError(f"safetensors does not know the type {tensor.dtype}") from None


def _decode(
    value: TensorValue | ArrayValue | StringsValue | TextsValue | PlainValue,
    tensors: dict[str, Tensor],
) -> Any:
    if isinstance(value, TensorValue):
        return tensors[value.tensor]
    if isinstance(value, ArrayValue):
        return tensors[value.array].numpy()
    if isinstance(value, StringsValue):
        return tensors[value.strings].numpy().view(value.dtype).reshape(value.shape)
    if isinstance(value, TextsValue):
        content = tensors[value.texts].numpy().tobytes()
        ends = tensors[f"{value.texts}.sizes"].cumsum(0).tolist()
        texts = [content[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
        return np.array(texts, dtype=object).reshape(value.shape)
    return value.value
