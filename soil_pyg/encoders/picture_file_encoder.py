import os
import warnings
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from soil_pyg.encoders.encode_rows import encode_rows
from soil_pyg.encoders.picture_files import find_pictures, read_picture
from soil_pyg.encoders.vector_cache import VectorCache
from soil_pyg.utils.checks import check_at_least
from soil_pyg.utils.files import file_digest
from soil_pyg.utils.progress import blocks

LISTED = 10
"""The number of skipped pictures that are listed by name."""


class PictureFileEncoder(ABC):
    """Base class of the encoders of picture files, which skip pictures that cannot be read.

    Each distinct picture is encoded once, and finished batches are cached. The arguments are those
    of :class:`~soil_pyg.encoders.PictureEncoder`.
    """

    name: str

    def __init__(
        self,
        source: str | os.PathLike[str],
        root: str | os.PathLike[str] | None,
        batch_size: int,
        cache: str | os.PathLike[str] | None,
    ) -> None:
        check_at_least("batch_size", batch_size, 1)
        self.source = source
        self.root = root
        self.batch_size = batch_size
        self.cache = cache
        self.num_skipped = 0
        """The number of pictures that could not be read."""
        self.skipped: list[str] = []
        """The first pictures that could not be read, with the reasons, and the number of others."""
        self.notice = ""
        self.files: list[Path | None] = []
        """The pictures of the items that were encoded last."""

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        """Returns one vector per item, zeros for missing and unreadable pictures.

        Args:
            items (pandas.DataFrame): The items.

        Raises:
            ValueError: If the column or folder does not exist, or no picture can be read.
            OSError: If the vectors cannot be cached.
        """
        self.files = files = find_pictures(items, self.source, self.root)
        cache = VectorCache(self.cache, self.name, self.version)
        reasons: dict[str, str] = {}
        digests = _digests(files, reasons)

        with (
            warnings.catch_warnings(),
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        ):
            # Pillow also warns of pictures that it reads.
            warnings.filterwarnings("ignore", module="PIL")

            def encode_batch(rows: list[int]) -> tuple[list[int], np.ndarray]:
                self.load()
                results = list(pool.map(self._read, [files[row] for row in rows]))
                good = {}
                for row, result in zip(rows, results, strict=True):
                    if isinstance(result, str):
                        reasons[str(digests[row])] = result
                    else:
                        good[row] = result
                if not good:
                    return [], np.zeros((0, 0), dtype=np.float32)
                return list(good), self.encode_batch(list(good.values()))

            description = f"Encoding pictures with {self.name}"
            matrix = encode_rows(digests, encode_batch, cache, self.batch_size, description)
        self._list_skipped(files, digests, reasons)
        if matrix is None:
            raise ValueError(
                f"none of the {self.num_skipped} pictures in '{self.source}' can be read: "
                f"{', '.join(self.skipped)}"
            )
        return matrix

    @property
    @abstractmethod
    def version(self) -> str:
        """Everything that the vectors depend on, stored with the features."""

    def load(self) -> None:  # noqa: B027
        """Loads the model for :meth:`prepare` and :meth:`encode_batch`, if there is any."""

    @abstractmethod
    def prepare(self, image: Image.Image) -> Any:
        """Returns the entry of a batch for a picture in RGB."""

    @abstractmethod
    def encode_batch(self, prepared: list[Any]) -> np.ndarray:
        """Returns the vectors of the pictures that :meth:`prepare` has prepared."""

    def _read(self, file: Path) -> Any:
        try:
            image = read_picture(file)
        except ValueError as error:
            return str(error)
        return self.prepare(image)

    def _list_skipped(
        self, files: list[Path | None], digests: list[str | None], reasons: dict[str, str]
    ) -> None:
        skipped = [
            f"{file.name} ({reasons[key]})"
            for file, digest in zip(files, digests, strict=True)
            if file is not None and (key := digest or str(file)) in reasons
        ]
        self.num_skipped = len(skipped)
        self.skipped = skipped[:LISTED]
        if len(skipped) > LISTED:
            self.skipped.append(f"and {len(skipped) - LISTED} more")


def _digests(files: list[Path | None], reasons: dict[str, str]) -> list[str | None]:
    """Returns the digests of files and adds the reasons of unreadable ones, by path."""
    digests: list[str | None] = []
    for block in blocks(len(files), 64, "Reading pictures"):
        for file in files[block]:
            digest = None
            try:
                digest = file_digest(file) if file else None
            except (OSError, ValueError) as error:
                reasons[str(file)] = getattr(error, "strerror", None) or str(error)
            digests.append(digest)
    return digests
