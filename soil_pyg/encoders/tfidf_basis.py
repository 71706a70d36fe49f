from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from soil_pyg.encoders.word_counts import WordCounts

_ITERATIONS = 7
"""The number of subspace iterations."""
_OVERSAMPLES = 10
"""The number of singular vectors beyond those that are returned."""
_NEGLIGIBLE = 1e-7
"""Shorter vectors and relatively smaller singular values count as zero."""


@dataclass(frozen=True)
class TfidfBasis:
    """The words of a :class:`TfidfEncoder`, fitted to some texts.

    Args:
        words (list[str]): The words.
        idf (Tensor): The inverse document frequency of each word, in double precision.
        vectors (Tensor): The vector of each word in single precision, of shape
            :obj:`[num_words, channels]`.

    Example:
        >>> counts = WordCounts.of(["green tea", "black tea"])
        >>> basis = TfidfBasis.fit(counts, channels=2, max_words=10)
        >>> basis.words
        ['tea', 'black', 'green']
        >>> basis.encode(WordCounts.of(["tea", "white rum"])).norm(dim=1)
        tensor([0.7093, 0.0000])
    """

    words: list[str]
    idf: Tensor
    vectors: Tensor

    @classmethod
    def fit(cls, counts: WordCounts, channels: int, max_words: int) -> "TfidfBasis":
        """Returns the most frequent words of texts, or raises :class:`ValueError` if there are
        none.
        """
        if len(counts.word) == 0:
            raise ValueError("no text has a word")
        code, word = pd.factorize(counts.word, sort=True)
        num_texts_of = torch.bincount(torch.from_numpy(code))
        # In alphabetical order among ties.
        order = num_texts_of.argsort(descending=True, stable=True)[:max_words]
        num_texts = torch.unique(counts.text).numel()
        idf = 1 + ((1 + num_texts) / (1 + num_texts_of[order].double())).log()
        words = word[order.numpy()].tolist()
        matrix = _weights(counts, words, idf)
        return cls(words, idf, _singular_vectors(matrix, channels).float())

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "TfidfBasis":
        """Returns the words that :meth:`tensors` holds. Raises :class:`ValueError` if they are
        damaged.
        """
        try:
            words = bytes(tensors["words"].tolist()).decode().split("\n")
            basis = cls(words, tensors["idf"].double(), tensors["vectors"].float())
        except (KeyError, ValueError) as error:
            raise ValueError(f"the words of texts are damaged ({error})") from error
        if not len(words) == len(basis.idf) == len(basis.vectors):
            raise ValueError("the words of texts are damaged (their numbers differ)")
        return basis

    def tensors(self) -> dict[str, Tensor]:
        """Returns all that :meth:`encode` needs as tensors."""
        # A word has no line break.
        content = np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8)
        words = torch.from_numpy(content.copy())
        return {"words": words, "idf": self.idf, "vectors": self.vectors}

    def encode(self, counts: WordCounts) -> Tensor:
        """Returns one vector per text, zeros for those without any of the words."""
        weights = _weights(counts, self.words, self.idf)
        x = torch.sparse.mm(weights, self.vectors.double())
        x[torch.linalg.vector_norm(x, dim=1) < _NEGLIGIBLE] = 0
        single: Tensor = x.float()
        return single


def _weights(counts: WordCounts, words: list[str], idf: Tensor) -> Tensor:
    """Returns the sparse matrix of texts and words, its rows at unit length."""
    word = torch.from_numpy(pd.Index(words, dtype=object).get_indexer(pd.Index(counts.word)))
    is_known = word >= 0
    text, word = counts.text[is_known], word[is_known]
    weight = (1 + counts.times[is_known].log()) * idf[word]
    norm = torch.zeros(counts.num_texts, dtype=torch.double).index_add_(0, text, weight**2).sqrt()
    index, size = torch.stack([text, word]), (counts.num_texts, len(words))
    matrix = torch.sparse_coo_tensor(index, weight / norm[text], size, check_invariants=True)
    return matrix.coalesce()


def _singular_vectors(matrix: Tensor, channels: int) -> Tensor:
    """Returns the first right singular vectors, by subspace iteration from a fixed start."""
    transposed = matrix.t().coalesce()
    size = min(channels + _OVERSAMPLES, *matrix.size())
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(matrix.size(1), size, generator=generator, dtype=matrix.dtype)
    for _ in range(_ITERATIONS):
        image = torch.linalg.qr(torch.sparse.mm(matrix, basis)).Q
        basis = torch.linalg.qr(torch.sparse.mm(transposed, image)).Q
    image = torch.sparse.mm(matrix, basis)
    square, rotation = torch.linalg.eigh(image.t() @ image)
    is_kept = square.flip(0)[:channels] > _NEGLIGIBLE**2 * square[-1]
    rotation = rotation.flip(1)[:, :channels][:, is_kept]
    x = image @ rotation
    # The sign of a singular vector is arbitrary.
    largest = x.gather(0, x.abs().argmax(dim=0, keepdim=True))
    vectors: Tensor = basis @ rotation * largest.sign()
    return vectors
