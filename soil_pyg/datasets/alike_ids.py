"""Ids that differ only by blanks or by the form of their characters."""

import unicodedata

import numpy as np

LIMIT = 2**20
"""The largest number of ids that are compared, which takes about a second."""


def alike_ids(ids: np.ndarray) -> list[tuple[str, str]]:
    r"""Returns pairs of ids that a person takes for the same, as they differ only by blanks or by
    the Unicode form of their characters.

    Example:
        >>> alike_ids(np.array(["tea", "tea ", "rum"]))
        [('tea', 'tea ')]
    """
    if ids.dtype.kind in "iu" or len(ids) > LIMIT:
        return []
    first: dict[str, str] = {}
    pairs = []
    for text in map(str, ids.tolist()):
        plain = text if text.isascii() else unicodedata.normalize("NFC", text)
        known = first.setdefault(" ".join(plain.split()), text)
        if known != text:
            pairs.append((known, text))
    return pairs
