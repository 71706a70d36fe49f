import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Ranges of the scripts without blanks between words: Thai, Lao, Burmese, Khmer, Japanese and
Chinese."""


@dataclass(frozen=True)
class WordCounts:
    """The words of texts, and how often each text has each of its words.

    Words are in lower case. In scripts without blanks between words, each pair of adjacent
    characters counts as a word.

    Args:
        num_texts (int): The number of texts.
        text (Tensor): The text of each count, of shape :obj:`[num_counts]`.
        word (numpy.ndarray): The word of each count.
        times (Tensor): The number of occurrences, in double precision.

    Example:
        >>> WordCounts.of(["Tea, green tea", "\u7ea2\u8336 tea"]).word.tolist()
        ['tea', 'green', '\u7ea2\u8336', 'tea']
    """

    num_texts: int
    text: Tensor
    word: np.ndarray
    times: Tensor

    @classmethod
    def of(cls, texts: Sequence[str]) -> "WordCounts":
        """Counts the words of texts."""
        words: list[str] = []
        counts: list[int] = []
        sizes: list[int] = []
        for string in texts:
            occurrences = Counter(split_words(string))
            words += occurrences.keys()
            counts += occurrences.values()
            sizes.append(len(occurrences))
        text = torch.arange(len(texts)).repeat_interleave(torch.tensor(sizes, dtype=torch.long))
        times = torch.tensor(counts).double()
        return cls(len(texts), text, np.array(words, dtype=object), times)


def split_words(string: str) -> list[str]:
    """Returns the words of a text.

    Example:
        >>> split_words("Green TEA")
        ['green', 'tea']
    """
    # A capital I with a dot has a mark in lower case that the small letter lacks.
    lower = unicodedata.normalize("NFC", string.lower().replace("i\u0307", "i"))
    spaced, unspaced = _patterns()
    if unspaced.search(lower) is None:
        return spaced.findall(lower)
    words: list[str] = []
    for run in unspaced.split(lower):
        if unspaced.fullmatch(run):
            words += [run] if len(run) == 1 else map("".join, pairwise(run))
        else:
            words += spaced.findall(run)
    return words


@lru_cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns the pattern of words: letters, digits and, after them, marks, such as the vowels of
    many scripts; and that of scripts without blanks.
    """
    codes = [n for n in range(0x300, 0xE01F0) if unicodedata.category(chr(n))[0] == "M"]
    marks = "".join(map(re.escape, map(chr, codes)))
    return re.compile(rf"\w[\w{marks}]*"), re.compile(f"([{_UNSPACED}]+)")
