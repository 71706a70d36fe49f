"""Stores a :obj:`HeteroData` in one safetensors file with JSON in its header, without pickles."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
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
from soil_pyg.utils.files import atomic_path, bytes_digest
from soil_pyg.utils.records import DamagedFileError, check_regular, parse_json, validate

FORMAT = "soil_pyg.HeteroData.2"
"""The key of the header entry, with the version of the format."""

FORMER = "soil_pyg.HeteroData.1"
"""The key of the header entry of files without a digest of their content."""

DIGEST = "sha256"
"""The key of the digest of the header and the tensors of a file."""

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


def load_data(path: str | os.PathLike[str]) -> HeteroData:
    """Loads the data that :func:`save_data` has saved, without executing anything in the file.

    Raises :class:`FileNotFoundError` if there is no file, and :class:`ValueError` if
    :func:`save_data` has not written it or its content has changed since.
    """
    path, data = Path(path), HeteroData()
    tensors, content = read_tensors(path, (FORMAT, FORMER), REMEDY)
    if isinstance(content, list):
        content = {"stores": content}
    header = validate(DataHeader, content, path, REMEDY)
    try:
        for stored in header.stores:
            kind = tuple(stored.type) if isinstance(stored.type, list) else stored.type
            store = data if kind is None else data[kind]
            for key, value in stored.attributes.items():
                store[key] = _decode(value, tensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, f"is not a stored data set ({error})", REMEDY) from error
    return data


def typed_stores(data: HeteroData) -> list[tuple[str | EdgeType | None, BaseStorage]]:
    """Returns the stores of a graph with their node or edge types, first the global one."""
    return list(zip([None, *data.node_types, *data.edge_types], data.stores, strict=True))


def write_tensors(tensors: dict[str, Tensor], path: Path, key: str, header: dict[str, Any]) -> None:
    """Writes a safetensors file of dense tensors on the CPU that share no memory, and a header of
    JSON values under a key, with a digest of both.

    Raises :class:`OSError` if the file cannot be written.
    """
    text = json.dumps(header)
    sealed = {**header, DIGEST: _digest(tensors, parse_json(text, finite=False))}
    try:
        # One entry: safetensors writes several in random order.
        safetensors.torch.save_file(tensors, path, {key: json.dumps(sealed)})
    except SafetensorError as error:
        # Only the text holds the number of the system error.
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def read_tensors(path: Path, keys: Sequence[str], remedy: str) -> tuple[dict[str, Tensor], Any]:
    """Returns the tensors and the header of a file written by :func:`write_tensors`.

    Args:
        path (Path): The file.
        keys (Sequence[str]): The accepted keys of the header.
        remedy (str): A command that writes the file again.

    Raises:
        FileNotFoundError: If there is no file.
        DamagedFileError: If its content is not as it was written.
    """
    check_regular(path, remedy)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            found = [key for key in keys if key in metadata]
            if not found:
                raise ValueError(f"its header has no '{keys[0]}'")
            header = parse_json(metadata[found[0]], finite=False)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if isinstance(header, dict) and DIGEST in header:
            content = {key: value for key, value in header.items() if key != DIGEST}
            if header[DIGEST] != _digest(tensors, content):
                raise ValueError("it has changed since it was written")
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise DamagedFileError(path, f"is damaged ({error})", remedy) from error
    return tensors, header


def _digest(tensors: dict[str, Tensor], header: Any) -> str:
    def content() -> Iterator[bytes | memoryview]:
        yield json.dumps(header, sort_keys=True).encode()
        for name, tensor in sorted(tensors.items()):
            yield json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode()
            yield tensor.reshape(-1).view(torch.uint8).numpy().data

    return bytes_digest(content())


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
        array = np.array(value, order="C")
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
