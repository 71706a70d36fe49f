"""Files of dense and sparse tensors and a JSON value, with a digest of their content."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soil_pyg.datasets.tensors import read_tensors, write_tensors
from soil_pyg.runs.schema import FORMAT, REMEDY, TensorHeader
from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.records import DamagedFileError, validate

KEY = "soil_pyg"
"""The key of the header."""


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: Any = None) -> None:
    """Writes dense and sparse COO tensors on any device, and a JSON value, to one file,
    atomically.
    """
    dense: dict[str, Tensor] = {}
    sparse = {}
    for name, tensor in tensors.items():
        pieces = {name: tensor.detach().cpu()}
        if tensor.is_sparse:
            tensor = pieces.pop(name).coalesce()
            sparse[name] = list(tensor.size())
            pieces = {f"{name}.indices": tensor.indices(), f"{name}.values": tensor.values()}
        for key, piece in pieces.items():
            piece = piece.contiguous()
            # The format refuses tensors that share memory.
            shared = {other.untyped_storage().data_ptr() for other in dense.values()}
            is_shared = piece.untyped_storage().data_ptr() in shared
            dense[key] = piece.clone() if is_shared else piece
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        header = {"format": FORMAT, "sparse": sparse, "metadata": metadata}
        write_tensors(dense, temporary, KEY, header)


def load_tensors(path: Path, verified: bool = False) -> tuple[dict[str, Tensor], Any]:
    """Returns the tensors, of which dense ones are mapped, and the metadata of a file written by
    :func:`save_tensors`; raises :class:`ValueError` if it is damaged or of another version of the
    format. The digest of a :obj:`verified` file is not computed again.
    """
    tensors, content = read_tensors(path, [KEY], REMEDY, verified)
    header = validate(TensorHeader, content, path, REMEDY)
    try:
        for name, size in header.sparse.items():
            indices, values = tensors.pop(f"{name}.indices"), tensors.pop(f"{name}.values")
            tensors[name] = torch.sparse_coo_tensor(
                indices, values, size, check_invariants=True
            ).coalesce()
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise DamagedFileError(path, f"is damaged ({error!r})", REMEDY) from error
    return tensors, header.metadata
