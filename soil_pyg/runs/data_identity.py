"""The identity of the data that a run is trained on."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.digest import array_digest
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER, features_of
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.files import bytes_digest, digest_of
from soil_pyg.utils.progress import blocks
from soil_pyg.utils.remember import remember

_BLOCK_BYTES = 2**24
_LENGTH = 16


def data_identity(data: HeteroData) -> dict[str, str]:
    """Returns the name and the digest that data carries, and the digests of its :obj:`"content"`
    to train on and of its :obj:`"held_out"` interactions.

    Data of one's own carries no digest, and data that was changed after it was loaded carries its
    old one.
    """
    identity = {key: str(getattr(data, key, "")) for key in ("name", "digest")}
    return identity | {"content": content_digest(data), "held_out": _digest(data, EDGE_INDICES[1:])}


def content_digest(data: HeteroData) -> str:
    """Returns the digest of what a model is trained on: numbers and ids of nodes, features, and
    training interactions.
    """
    nodes = {
        kind: {
            "number": count_nodes(data, kind),
            "ids": array_digest(np.asarray(data[kind].id)) if "id" in data[kind] else None,
            "features": {name: _tensor_digest(x) for name, x in features_of(data, kind).items()},
        }
        for kind in (USER, ITEM)
    }
    return digest_of([nodes, _digest(data, EDGE_INDICES[:1])])[:_LENGTH]


def _digest(data: HeteroData, names: tuple[str, ...]) -> str:
    store = data[INTERACTS]
    digests = {name: _tensor_digest(store[name]) for name in names if name in store}
    return digest_of(digests)[:_LENGTH]


def _tensor_digest(tensor: Tensor) -> str:
    def content() -> Iterator[bytes | memoryview]:
        yield f"{tensor.dtype} {tuple(tensor.shape)} ".encode()
        # Bytes of any type, as NumPy lacks some.
        values = tensor.detach().reshape(-1).view(torch.uint8)
        for block in blocks(len(values), _BLOCK_BYTES, "Reading the data"):
            yield values[block].cpu().numpy().data

    return remember(tensor, "content", lambda: bytes_digest(content()))
