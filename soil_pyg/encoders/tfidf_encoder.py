from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from soil_pyg.encoders.text_column import read_texts
from soil_pyg.encoders.tfidf_basis import TfidfBasis
from soil_pyg.encoders.word_counts import WordCounts
from soil_pyg.utils.checks import check_integer, check_strings


class TfidfEncoder:
    r"""Encodes the texts of items by their words, without a neural network: `latent semantic
    analysis <https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9>`_.

    .. math::
        w_{it} = (1 + \log n_{it}) \left( 1 + \log \frac{1 + N}{1 + N_t} \right), \quad
        \mathbf{X} = \hat{\mathbf{W}} \mathbf{V}

    where word :math:`t` occurs :math:`n_{it}` times in text :math:`i` and in :math:`N_t` of all
    :math:`N` texts, :math:`\hat{\mathbf{W}}` has the rows of :math:`\mathbf{W}` at unit length, and
    :math:`\mathbf{V}` holds its first right singular vectors. In scripts without blanks between
    words, such as Chinese or Thai, each pair of adjacent characters counts as a word. The words and
    :math:`\mathbf{V}` are those of the encoded texts, or those of the data folder that :obj:`like`
    of :func:`soil_pyg.prepare` and :func:`soil_pyg.encode` names.

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
        self.version = f"3 ({channels} channels, {max_words} words of {', '.join(self.columns)})"
        self._fitted: TfidfBasis | None = None
        self._is_restored = False

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        """Returns one vector per item, zeros for missing texts and those without frequent words.

        Args:
            items (pandas.DataFrame): The items.

        Raises:
            ValueError: If a column is missing or holds other values, or no text has a word.
        """
        counts = WordCounts.of(read_texts(items, self.columns))
        if self._fitted is None or not self._is_restored:
            try:
                self._fitted = TfidfBasis.fit(counts, self.channels, self.max_words)
            except ValueError as error:
                listed = " and ".join(repr(column) for column in self.columns)
                raise ValueError(f"{error} in column {listed}: choose another column") from error
        return self._fitted.encode(counts).numpy()

    def state(self) -> dict[str, Tensor]:
        """Returns the words of the texts that were encoded last."""
        return {} if self._fitted is None else self._fitted.tensors()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Encodes all later texts by the words of a state, or raises :class:`ValueError` if it is
        damaged.
        """
        self._fitted = TfidfBasis.from_tensors(state)
        self._is_restored = True
