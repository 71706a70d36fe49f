"""The state of a run that has not finished: tensors by names such as :obj:`"best.weight"`."""

from collections.abc import Container
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soil_pyg.runs.compatibility import upgrade_record
from soil_pyg.runs.schema import REMEDY, StateRecord
from soil_pyg.runs.tensor_file import load_tensors
from soil_pyg.utils.records import DamagedFileError, validate


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the tensors and the metadata of a state under today's names; raises
    :class:`ValueError` if the file is damaged or of another version of the format.
    """
    tensors, metadata = load_tensors(path)
    if isinstance(metadata, dict):
        metadata = {
            name: upgrade_record(value) if isinstance(value, dict) else value
            for name, value in metadata.items()
        }
    validate(StateRecord, metadata, path, REMEDY)
    assert isinstance(metadata, dict)
    return tensors, metadata


def refuse_other_tensors(
    path: Path, tensors: dict[str, Tensor], model: torch.nn.Module, without: Container[str] = ()
) -> None:
    """Raises :class:`DamagedFileError` unless the tensors of a state are the weights of the model,
    its best weights, and the state of an optimizer of its parameters. Weights in other files are
    those named by :obj:`without`.
    """
    sizes = {n: value.size() for n, value in model.state_dict().items() if n not in without}
    expected = {
        f"{group}.{name}": size for group in ("model", "best") for name, size in sizes.items()
    }
    trained = [parameter.size() for parameter in model.parameters() if parameter.requires_grad]
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        size = expected.pop(name, None)
        if group == "optimizer":
            index = rest.partition(".")[0]
            known = index.isdecimal() and int(index) < len(trained)
            size = trained[int(index)] if known and tensor.dim() > 0 else tensor.size()
            size = size if known else None
        if tensor.size() != size:
            raise DamagedFileError(path, f"does not fit the model ('{name}')", REMEDY)
    lacking = {name.partition(".")[0] for name in expected}
    # There are no best weights before the first validation.
    if "model" in lacking or (lacking and any(name.startswith("best.") for name in tensors)):
        raise DamagedFileError(path, f"lacks weights of the model ('{max(expected)}')", REMEDY)


def select(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Returns the tensors whose names begin with a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def best_weights(tensors: dict[str, Tensor], metadata: dict[str, Any]) -> dict[str, Tensor]:
    """Returns the best weights in a state: those of its epoch, unless others are there."""
    result, best = metadata["result"], select(tensors, "best.")
    is_last = 0 < result["best_epoch"] == result["epochs"]
    return select(tensors, "model.") if is_last and not best else best


def copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns copies of tensors on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}


def references(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors that share their memory with others."""
    return {name: value.detach() for name, value in tensors.items()}


def num_bytes(tensors: dict[str, Tensor]) -> int:
    """Returns the size of dense tensors in bytes."""
    return sum(value.numel() * value.element_size() for value in tensors.values())
