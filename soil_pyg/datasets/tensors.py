"""Files of tensors in the safetensors format with a JSON header, and a digest of both. Tensors are
neither copied to be written nor held in memory to be checked.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from soil_pyg.utils.files import BLOCK_BYTES, bytes_digest, file_blocks
from soil_pyg.utils.progress import blocks
from soil_pyg.utils.records import DamagedFileError, check_regular, parse_json

DIGEST = "sha256"
"""The key of the digest of the header and the tensors of a file."""


def write_tensors(tensors: dict[str, Tensor], path: Path, key: str, header: dict[str, Any]) -> None:
    """Writes a safetensors file of dense tensors on the CPU that share no memory, and a header of
    JSON values under a key, with a digest of both.

    Raises :class:`OSError` if the file cannot be written.
    """
    text = json.dumps(header)
    sealed = {**header, DIGEST: tensor_digest(tensors, parse_json(text, finite=False))}
    try:
        # One entry: safetensors writes several in random order.
        safetensors.torch.save_file(tensors, path, {key: json.dumps(sealed)})
    except SafetensorError as error:
        # Only the text holds the number of the system error.
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def read_tensors(
    path: Path, keys: Sequence[str], remedy: str, verified: bool = False
) -> tuple[dict[str, Tensor], Any]:
    """Returns the tensors, which are mapped, and the header of a file written by
    :func:`write_tensors`.

    Args:
        path (Path): The file.
        keys (Sequence[str]): The accepted keys of the header.
        remedy (str): A command that writes the file again.
        verified (bool, optional): Whether the digest of the file has been compared already.
            (default: :obj:`False`)

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
        if isinstance(header, dict) and DIGEST in header and not verified:
            content = {key: value for key, value in header.items() if key != DIGEST}
            if header[DIGEST] != tensor_digest(tensors, content, path):
                raise ValueError("it has changed since it was written")
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise DamagedFileError(path, f"is damaged ({error})", remedy) from error
    return tensors, header


def read_into(path: Path, tensors: dict[str, Tensor], targets: dict[str, Tensor]) -> None:
    """Reads tensors of a file into others of the same sizes.

    A copy of the mapped tensors would hold them twice.

    Args:
        path (Path): The file.
        tensors (dict[str, Tensor]): Its content, as returned by :func:`read_tensors`.
        targets (dict[str, Tensor]): The tensors to write to, by the names in the file.
    """
    places = tensor_places(path)
    with open(path, "rb") as file:
        for name, target in targets.items():
            is_same = target.dtype == tensors[name].dtype and target.is_contiguous()
            if name not in places or target.device.type != "cpu" or not is_same:
                target.copy_(tensors[name])
                continue
            begin, end = places[name]
            file.seek(begin)
            memory = target.detach().reshape(-1).view(torch.uint8).numpy().data
            for block in blocks(end - begin, BLOCK_BYTES, f"Reading {path.name}"):
                file.readinto(memory[block])


def tensor_digest(tensors: dict[str, Tensor], header: Any, path: Path | None = None) -> str:
    """Returns the digest of tensors and a header. The bytes come from the file that holds the
    tensors, if given: to read them in their map would keep all of them in memory.
    """

    def content() -> Iterator[bytes | memoryview]:
        yield json.dumps(header, sort_keys=True).encode()
        places = {} if path is None else tensor_places(path)
        for name, tensor in sorted(tensors.items()):
            yield json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode()
            if tensor.numel() == 0:
                continue
            if path is None:
                yield tensor.reshape(-1).view(torch.uint8).numpy().data
            else:
                yield from file_blocks(path, *places[name])

    return bytes_digest(content())


def tensor_places(path: Path) -> dict[str, tuple[int, int]]:
    """Returns the first byte and the end of each tensor in a safetensors file."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = parse_json(file.read(size))
    del header["__metadata__"]
    start = 8 + size
    return {name: tuple(start + n for n in at["data_offsets"]) for name, at in header.items()}
