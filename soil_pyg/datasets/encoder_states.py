"""States of fitted encoders, stored beside the features of a data folder."""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from soil_pyg.datasets.data_folder import data_file, load_description
from soil_pyg.datasets.encoder import Encoder, FittedEncoder
from soil_pyg.datasets.schema import ENCODERS, EncodersHeader
from soil_pyg.datasets.storage import REMEDY
from soil_pyg.datasets.tensors import read_tensors, write_tensors
from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.records import DamagedFileError, validate

KEY = "soil_pyg.encoders"
"""The key of the header of the file."""


def save_states(features: Mapping[str, Any], folder: Path) -> None:
    """Writes what the :class:`~soil_pyg.datasets.encoder.FittedEncoder` of each modality was fitted
    to, and no file if there is none.
    """
    keys: list[str] = []
    tensors: dict[str, Tensor] = {}
    for modality, source in features.items():
        if isinstance(source, FittedEncoder):
            parts = source.state().items()
            tensors |= {f"{len(keys)}.{part}": value for part, value in parts}
            keys.append(_key(modality, source))
    if keys:
        with atomic_path(folder / ENCODERS) as temporary:
            write_tensors(tensors, temporary, KEY, {"encoders": keys})


def restored(
    features: Mapping[str, Any], folder: str | os.PathLike[str]
) -> tuple[dict[str, Any], list[str]]:
    """Returns the sources of features with copies of encoders that are fitted to the items of a
    data folder, and the modalities whose encoders the folder was not encoded by.

    Raises :class:`FileNotFoundError` if the folder does not exist, and :class:`ValueError` if it is
    damaged.
    """
    found, others = dict(features), []
    states = _load_states(folder)
    for modality, source in features.items():
        if not isinstance(source, FittedEncoder):
            continue
        state = states.get(_key(modality, source))
        if state is None:
            others.append(modality)
            continue
        found[modality] = encoder = copy.copy(source)
        try:
            encoder.restore(state)
        except ValueError as error:
            path = Path(folder).expanduser() / ENCODERS
            raise DamagedFileError(path, f"is damaged ({error})", REMEDY) from error
    return found, others


def _load_states(folder: str | os.PathLike[str]) -> dict[str, dict[str, Tensor]]:
    if ENCODERS not in load_description(folder)["files"]:
        return {}
    path = data_file(folder, ENCODERS)
    tensors, header = read_tensors(path, [KEY], REMEDY, verified=True)
    keys = validate(EncodersHeader, header, path, REMEDY).encoders
    states: dict[str, dict[str, Tensor]] = {key: {} for key in keys}
    for name, value in tensors.items():
        number, _, part = name.partition(".")
        if not number.isdecimal() or int(number) >= len(keys):
            raise DamagedFileError(path, f"is damaged (it has a tensor {name!r})", REMEDY)
        states[keys[int(number)]][part] = value
    return states


def _key(modality: str, encoder: Encoder) -> str:
    return f"{modality}: {encoder.name} {encoder.version}"
