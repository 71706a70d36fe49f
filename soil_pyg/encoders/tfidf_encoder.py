import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from soil_pyg.encoders.text_column import read_texts
from soil_pyg.utils.checks import check_integer, check_strings

_ITERATIONS = 7
"""The number of subspace iterations."""
_OVERSAMPLES = 10
"""The number of singular vectors beyond those that are returned."""
_NEGLIGIBLE = 1e-7
"""Shorter vectors and relatively smaller singular values count as zero."""


class TfidfEncoder:
    r"""Encodes the texts of items by their words, without a neural network: `latent semantic
    analysis <https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9>`_.

    .. math::
        w_{it} = (1 + \log n_{it}) \left( 1 + \log \frac{1 + N}{1 + N_t} \right), \quad
        \mathbf{X} = \hat{\mathbf{W}} \mathbf{V}

    where word :math:`t` occurs :math:`n_{it}` times in text :math:`i` and in :math:`N_t` of all
    :math:`N` texts, :math:`\hat{\mathbf{W}}` has the rows of :math:`\mathbf{W}` at unit length, and
    :math:`\mathbf{V}` holds its first right singular vectors.

    Args:
        column (str or sequence of str): The column of the table of items; texts of several columns
            are joined.
        channels (int): The size of the vectors, at most the rank of the texts.
            (default: :obj:`256`)
        max_words (int): The number of most frequent words to use. (default: :obj:`50_000`)

    Example:
        >>> items = pd.DataFrame({"item": [1, 2, 3], "title": ["green tea", None, "black tea"]})
        >>> x = TfidfEncoder("title").encode(items)
        >>> (x @ x.T).round(2)
        array([[1.  , 0.  , 0.34],
               [0.  , 0.  , 0.  ],
               [0.34, 0.  , 1.  ]], dtype=float32)
    """

    name = "tfidf"
    depends_on_all_items = True

    def __init__(
        self, column: str | Sequence[str], channels: int = 256, max_words: int = 50_000
    ) -> None:
        columns = [column] if isinstance(column, str) and column else column
        check_strings("column", columns)
        check_integer("channels", channels, 1)
        check_integer("max_words", max_words, 1)
        self.columns = list(columns)
        self.channels = channels
        self.max_words = max_words
        self.notice = ""
        self.version = f"1 ({channels} channels, {max_words} words)"

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        """Returns one vector per item, zeros for missing texts and those without frequent words.

        Args:
            items (pandas.DataFrame): The items.

        Raises:
            ValueError: If a column is missing or holds other values, or no text has a word.
        """
        weights = self._weights(read_texts(items, self.columns))
        x = _project(weights, self.channels)
        x[x.norm(dim=1) < _NEGLIGIBLE] = 0
        return x.float().numpy()

    def _weights(self, texts: list[str]) -> Tensor:
        """Returns the sparse matrix of texts and words, its rows at unit length."""
        words: list[str] = []
        counts: list[int] = []
        sizes: list[int] = []
        for string in texts:
            occurrences = Counter(re.findall(r"\w+", string.lower()))
            words += occurrences.keys()
            counts += occurrences.values()
            sizes.append(len(occurrences))
        if not words:
            listed = " and ".join(repr(column) for column in self.columns)
            raise ValueError(f"no text in column {listed} has a word: choose another column")
        word = torch.from_numpy(pd.factorize(np.array(words, dtype=object), sort=True)[0])
        text = torch.arange(len(texts)).repeat_interleave(torch.tensor(sizes))
        num_texts_of = torch.bincount(word)
        num_texts = sum(size > 0 for size in sizes)
        idf = 1 + ((1 + num_texts) / (1 + num_texts_of.double())).log()
        weight = (1 + torch.tensor(counts).double().log()) * idf[word]
        # By descending frequency, in alphabetical order among ties.
        rank = num_texts_of.argsort(descending=True, stable=True).argsort()
        kept = rank[word] < self.max_words
        text, word, weight = text[kept], rank[word[kept]], weight[kept]
        norm = torch.zeros(len(texts), dtype=torch.double).index_add_(0, text, weight**2).sqrt()
        size = (len(texts), min(len(rank), self.max_words))
        index = torch.stack([text, word])
        matrix = torch.sparse_coo_tensor(index, weight / norm[text], size, check_invariants=True)
        return matrix.coalesce()


def _project(matrix: Tensor, channels: int) -> Tensor:
    """Projects the rows on the first right singular vectors, by subspace iteration from a fixed
    start.
    """
    transposed = matrix.t().coalesce()
    size = min(channels + _OVERSAMPLES, *matrix.size())
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(matrix.size(1), size, generator=generator, dtype=matrix.dtype)
    for _ in range(_ITERATIONS):
        image = torch.linalg.qr(torch.sparse.mm(matrix, basis)).Q
        basis = torch.linalg.qr(torch.sparse.mm(transposed, image)).Q
    image = torch.sparse.mm(matrix, basis)
    square, vectors = torch.linalg.eigh(image.t() @ image)
    x = image @ vectors.flip(1)[:, :channels]
    x = x[:, square.flip(0)[:channels] > _NEGLIGIBLE**2 * square[-1]]
    # The sign of a singular vector is arbitrary.
    largest = x.gather(0, x.abs().argmax(dim=0, keepdim=True))
    projected: Tensor = x * largest.sign()
    return projected
