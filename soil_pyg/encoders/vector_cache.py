import logging
import os
import re
import tempfile
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import torch

from soil_pyg.datasets.tensors import read_tensors, write_tensors
from soil_pyg.utils.files import atomic_path, digest_of, user_cache

FORMAT = 3
"""The version of the cache, to increase when encoders of the same version return other vectors."""

KEY = "soil_pyg.vectors"
"""The key of the header of a file."""

logger = logging.getLogger("soil_pyg")


class VectorCache:
    """A cache of the vectors of an encoder by the digests of their contents, one file per batch.

    All encoders share the folder; :obj:`"auto"` stands for :obj:`soil_pyg/embed` in the user's
    cache and :obj:`None` for no cache. Raises :class:`OSError` if it cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, name: str, version: str) -> None:
        self.folder: Path | None = None
        if folder is None:
            return
        key = digest_of([FORMAT, name, version])[:16]
        root = user_cache() / "embed" if folder == "auto" else Path(folder).expanduser()
        self.folder = root / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)}-{key}"
        self.folder.mkdir(parents=True, exist_ok=True)
        # Fail before the work if its results could not be stored.
        with tempfile.TemporaryFile(dir=self.folder):
            pass

    def load(self, digests: Container[str]) -> dict[str, np.ndarray]:
        """Returns the cached vectors by digest."""
        vectors: dict[str, np.ndarray] = {}
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder else []:
            try:
                batch, _ = read_tensors(path, [KEY], "remove it")
                rows = zip(batch["digests"], batch["vectors"], strict=True)
                known = {bytes(digest.tolist()).hex(): vector.numpy() for digest, vector in rows}
            except (KeyError, ValueError) as error:
                logger.warning("%s is corrupt and ignored (%s)", path, error)
                continue
            vectors.update((digest, known[digest]) for digest in known if digest in digests)
        return vectors

    def save(self, digests: Sequence[str], vectors: np.ndarray) -> None:
        """Stores the vectors of a batch by their hexadecimal digests of 32 bytes each.

        Raises :class:`OSError` if the vectors cannot be written.
        """
        if self.folder is None or not digests:
            return
        keys = np.array([list(bytes.fromhex(digest)) for digest in digests], dtype=np.uint8)
        path = self.folder / f"{digest_of(list(digests))[:32]}.safetensors"
        batch = {"digests": torch.from_numpy(keys), "vectors": torch.from_numpy(vectors)}
        with atomic_path(path) as temporary:
            write_tensors(batch, temporary, KEY, {})
