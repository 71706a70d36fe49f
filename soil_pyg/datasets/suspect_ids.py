"""Ids that exports of other programs write for the same thing, or for nothing."""

import re
import unicodedata

import numpy as np

LIMIT = 2**20
"""The largest number of ids that are compared, which takes about two seconds."""
_NO_VALUES = ["null", "(null)", "none", "nil", "nan", "na", "n/a", "<na>", "undefined", "missing"]
_PLACEHOLDERS = frozenset([*_NO_VALUES, "#na", "#n/a", "#value!", "#ref!", "-", "--", "?", "\\n"])
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]+)[.,]0+")


def alike_ids(ids: np.ndarray) -> list[tuple[str, str]]:
    r"""Returns pairs of ids that a person takes for the same, as they differ only by blanks, by
    characters that cannot be seen, by their Unicode form, or by the zeros of a decimal fraction.

    Example:
        >>> alike_ids(np.array(["tea", "tea ", "12", "12.0"]))
        [('tea', 'tea '), ('12', '12.0')]
    """
    if ids.dtype.kind in "iu" or len(ids) > LIMIT:
        return []
    first: dict[str, str] = {}
    pairs = []
    for text in map(str, ids.tolist()):
        known = first.setdefault(_as_seen(text), text)
        if known != text:
            pairs.append((known, text))
    return pairs


def placeholder_ids(ids: np.ndarray) -> np.ndarray:
    """Returns the positions of ids that usually mark a missing one.

    Example:
        >>> placeholder_ids(np.array(["ann", "NULL", "bob"]))
        array([1])
    """
    if ids.dtype.kind in "iu":
        return np.empty(0, dtype=np.int64)
    # The longest placeholder has nine characters.
    texts = (str(text).strip().lower() if len(text) < 16 else "" for text in ids.tolist())
    return np.flatnonzero(np.fromiter((text in _PLACEHOLDERS for text in texts), bool, len(ids)))


def _as_seen(text: str) -> str:
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFC", text))
    text = " ".join(text.split())
    number = _WHOLE_NUMBER.fullmatch(text) if text.endswith("0") else None
    return number[1] if number else text
